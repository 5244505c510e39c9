"""The command line's own sentences in English and Portuguese; the daemon's stay as they come."""

from __future__ import annotations

import os

_TABLE: dict[str, tuple[str, str]] = {
    "error": ("error", "erro"),
    "hint": ("hint", "dica"),
    "why": ("why", "motivo"),
    "left": ("left behind", "ficou para trás"),
    "pending": ("pending", "pendente"),
    "running": ("running", "em curso"),
    "completed": ("done", "feito"),
    "skipped": ("already so", "já estava"),
    "failed": ("failed", "falhou"),
    "undone": ("undone", "desfeito"),
    "cancelled": ("cancelled", "cancelado"),
    "remaining": ("about {time} left", "faltam cerca de {time}"),
    "overdue": ("overdue by {time}", "atrasado em {time}"),
    "waiting_for": ("waiting for {job}", "à espera de {job}"),
    "cancelling": ("cancelling", "cancelando"),
    "more_done": ("{count} steps done", "{count} passos feitos"),
    "more_pending": ("{count} more steps", "mais {count} passos"),
    "goes_on": (
        "the job goes on: livchat job watch {job}",
        "o trabalho continua: livchat job watch {job}",
    ),
    "started": (
        "{message}; watch it: livchat job watch {job}",
        "{message}; acompanhe: livchat job watch {job}",
    ),
    "job_failed": ("{summary}: failed at step {step}", "{summary}: falhou no passo {step}"),
    "job_failed_early": ("{summary}: failed", "{summary}: falhou"),
    "job_cancelled": ("{summary}: cancelled", "{summary}: cancelado"),
    "wait_timed_out": (
        "{job} has not ended within {time}; it goes on",
        "{job} não terminou em {time}; ele continua",
    ),
    "rollback_none": ("nothing was undone", "nada foi desfeito"),
    "rollback_clean": ("all that was done has been undone", "tudo o que foi feito foi desfeito"),
    "rollback_partial": ("not all could be undone", "nem tudo pôde ser desfeito"),
    "sure": ("{question} [y/N] ", "{question} [s/N] "),
    "yes": ("y yes", "s sim y yes"),
    "nothing_done": ("nothing was done", "nada foi feito"),
    "cannot_ask": (
        "{what}: nobody can be asked here, for this is not a terminal",
        "{what}: não há a quem perguntar, pois isto não é um terminal",
    ),
    "answer_yes": ("add --yes to the command", "acrescente --yes ao comando"),
    "delete_server": (
        "delete server {name} ({address}) and all that is on it: {apps}",
        "apagar o servidor {name} ({address}) e tudo o que há nele: {apps}",
    ),
    "forget_server": (
        "forget {name} ({address}) and delete its names; the machine stays, with {apps} on it",
        "esquecer {name} ({address}) e apagar seus nomes; a máquina fica, com {apps} nela",
    ),
    "let_in": (
        "to let LivChat in, add to ~/.ssh/authorized_keys of {user} on {host}:\n{line}",
        "para o LivChat entrar, acrescente a ~/.ssh/authorized_keys de {user} em {host}:\n{line}",
    ),
    "default_key_locked": (
        "{path} has a passphrase, so LivChat makes a key of its own for this server",
        "{path} tem senha; por isso o LivChat cria uma chave própria para este servidor",
    ),
    "no_apps": ("no apps", "nenhum app"),
    "delete_app": (
        "delete {app} from {server}; its data stays",
        "apagar {app} de {server}; seus dados ficam",
    ),
    "purge_app": (
        "delete {app} from {server} with all its data",
        "apagar {app} de {server} com todos os seus dados",
    ),
    "delete_secret": (
        "forget the secret {name}: what needs it will fail",
        "esquecer o segredo {name}: o que precisa dele vai falhar",
    ),
    "value_of": ("value of {name}: ", "valor de {name}: "),
    "prune": (
        "remove the history of jobs that ended more than {age} ago",
        "apagar o histórico dos trabalhos terminados há mais de {age}",
    ),
    "reset_sandbox": (
        "empty the sandbox: {servers} with all that is on them",
        "esvaziar o sandbox: {servers} com tudo o que há neles",
    ),
    "spend": ("go on, for {price}?", "continuar, por {price}?"),
    "fallback_form": (
        "fallback: '{part}' is not TYPE, TYPE@LOCATION or @LOCATION",
        "fallback: '{part}' não é TIPO, TIPO@LOCAL nem @LOCAL",
    ),
    "retired": ("retired", "descontinuado"),
    "price_legend": (
        "RAM and disk in GB; gross prices with IPv4, where cheapest; (sold out now)",
        "RAM e disco em GB; preços brutos com IPv4, no local mais barato; (esgotado agora)",
    ),
    "sold_out": ("sold out", "esgotado"),
    "if_sold_out": ("if it is refused", "se for recusado"),
    "dearer": ("{price} more", "{price} a mais"),
    "cheaper": ("{price} less", "{price} a menos"),
    "as_dear": ("the same price", "o mesmo preço"),
    "token_of": ("token of {name}: ", "token de {name}: "),
    "api_token_of": ("API token of {name}: ", "token de API de {name}: "),
    "api_key_of": ("global API key of {name}: ", "chave global de API de {name}: "),
    "certificate_token_of": (
        "certificate token of {name}: ",
        "token de certificados de {name}: ",
    ),
    "daemon_running": ("the daemon is running", "o daemon está rodando"),
    "daemon_not_running": ("no daemon is running", "nenhum daemon está rodando"),
    "jobs_resume": (
        "{count} unfinished jobs go on at its next start",
        "{count} trabalhos inacabados continuam na próxima partida",
    ),
    "no_sandbox": ("there is no sandbox yet", "ainda não há sandbox"),
    "sandbox_empty": ("the sandbox is empty", "o sandbox está vazio"),
    "sandbox_down": ("the sandbox is not running", "o sandbox não está rodando"),
    "deleting": ("deleting {name}", "apagando {name}"),
    "none": ("none", "nenhum"),
    "try_next": ("try next:", "experimente:"),
    "try_curl": ("the same without a browser", "o mesmo sem navegador"),
    "try_status": ("what exists in the sandbox", "o que existe no sandbox"),
    "try_jobs": ("what was done", "o que foi feito"),
    "try_reset": ("start over", "recomeçar do zero"),
    "plan": ("plan", "plano"),
    "price": ("price", "preço"),
    "a_month": ("{price} a month", "{price} por mês"),
    "an_hour": ("{price} an hour", "{price} por hora"),
    "takes": ("takes about {time}", "leva cerca de {time}"),
    "credentials": (
        "each app's own page makes its first account",
        "a página de cada app cria a sua primeira conta",
    ),
    "usage_hint": ("{command} --help", "{command} --help"),
    "unexpected": ("something unexpected: {kind}: {message}", "algo inesperado: {kind}: {message}"),
    "debug_hint": (
        "LIVCHAT_DEBUG=1 shows where it happened",
        "LIVCHAT_DEBUG=1 mostra onde aconteceu",
    ),
    "exit_code": ("the command ended with {code}", "o comando terminou com {code}"),
    "all_well": ("all is well", "está tudo bem"),
    "of_others": (
        "of other installations of LivChat (this one is {home}):",
        "de outras instalações do LivChat (esta é {home}):",
    ),
    "looked_at": ("looked at {name}: {detail}", "verificado {name}: {detail}"),
    "not_looked_at": ("cannot look at {name}: {why}", "não foi possível verificar {name}: {why}"),
    "mend": ("mend {count} in all", "corrigir {count} ao todo"),
    "mend_all": (
        "mend what can be mended: livchat doctor --mend",
        "corrija: livchat doctor --mend",
    ),
    "saves": (", which saves {price} a month", ", o que poupa {price} por mês"),
    "is_mended": ("{finding} is mended", "{finding}: corrigido"),
    "is_kept": ("{finding} is left as it is", "{finding}: fica como está"),
    "nothing_to_mend": ("there is nothing to mend", "não há nada a corrigir"),
    "no_finding": ("there is no finding '{name}' now", "não há agora o achado '{name}'"),
    "ids_without_mend": ("ids are for --mend only", "os ids servem só com --mend"),
    "col_what": ("WHAT", "O QUE É"),
    "col_name": ("NAME", "NOME"),
    "col_month": ("A MONTH", "POR MÊS"),
    "col_since": ("SINCE", "DESDE"),
    "col_whose": ("WHOSE", "DE QUEM"),
    "col_where": ("WHERE", "ONDE"),
    "made_by": ("; made by {job}", "; feito por {job}"),
    "found_orphan_machine": ("machine of no server", "máquina sem servidor"),
    "found_orphan_address": ("address of no server", "endereço sem servidor"),
    "found_orphan_key": ("SSH key of no server", "chave SSH sem servidor"),
    "found_orphan_record": ("record of no app", "registro sem app"),
    "found_astray_record": ("record that points elsewhere", "registro que aponta para outro lugar"),
    "found_foreign_machine": ("machine", "máquina"),
    "found_foreign_address": ("address", "endereço"),
    "found_foreign_key": ("SSH key", "chave SSH"),
    "found_foreign_record": ("record", "registro"),
    "found_lost_server": ("lost server", "servidor perdido"),
    "found_unmarked_server": ("server without its labels", "servidor sem suas etiquetas"),
    "found_refused_credential": ("credential that is refused", "credencial recusada"),
    "found_low_disk": ("disk nearly full", "disco quase cheio"),
    "found_unwritable_table": ("table that cannot be written", "tabela que não aceita escrita"),
    "found_unreadable_vault": ("vault that cannot be read", "cofre ilegível"),
    "found_broken_null_device": ("/dev/null is no device", "/dev/null não é um dispositivo"),
    "found_wrong_clock": ("wrong clock", "relógio errado"),
    "found_open_file": ("file that others may use", "arquivo aberto a outros"),
    "truncated": ("the output was cut to size", "a saída foi cortada"),
}


def translate(key: str, **values: object) -> str:
    """The sentence in the language of the locale, with its values."""
    return _TABLE[key][1 if portuguese() else 0].format(**values)


def portuguese() -> bool:
    """Does the locale ask for Portuguese? LC_ALL comes before LC_MESSAGES before LANG."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return value.lower().startswith("pt")
    return False
