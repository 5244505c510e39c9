"""Tools for jobs."""

from __future__ import annotations

from livchat.mcp.inputs import JobInput, ListJobsInput, WaitForJobInput, body
from livchat.mcp.outputs import JobOutput, project_to_model
from livchat.mcp.tools.tool import Effect, Tool
from livchat.wire.jobs import JobList

TOOLS = (
    Tool(
        "verificar-job", "Check a job",
        "Estado de um job agora: passo, progresso, erro, últimas linhas do log.",
        Effect.READS, JobInput, JobOutput,
        lambda client, request: client.job(request.job_id),
    ),
    Tool(
        "listar-jobs", "List jobs",
        "Jobs, do mais novo ao mais antigo, filtrados por status, type ou server.",
        Effect.READS, ListJobsInput, JobList,
        lambda client, request: project_to_model(JobList, client.jobs(**body(request))),
    ),
    Tool(
        "aguardar-job-completo", "Wait for a job",
        "Acompanha um job até o fim ou por maxWait segundos, com progresso. Se o tempo acabar, "
        "chame de novo. Cancelar a espera não cancela o job: ele continua.",
        Effect.READS, WaitForJobInput, JobOutput,
        lambda client, request: client.job(request.job_id),
    ),
)  # fmt: skip
