// What n8n's own launcher does: it takes a grant for the token, and starts the task runner with it.
import { spawn } from 'node:child_process';
import { setTimeout as rest } from 'node:timers/promises';

const { N8N_RUNNERS_AUTH_TOKEN: token, ...environment } = process.env;
const broker = environment.N8N_RUNNERS_TASK_BROKER_URI;
const asked = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ token }),
};
let granted;
while (granted === undefined) {
  try {
    const answer = await fetch(`${broker}/runners/auth`, asked);
    if (answer.ok) granted = (await answer.json()).data.token;
    else console.error(`the broker answers ${answer.status}`);
  } catch (error) {
    console.error(`${broker} does not answer yet: ${error.cause?.code}`);
  }
  if (granted === undefined) await rest(1000);
}
const program = '/usr/local/lib/n8n/node_modules/@n8n/task-runner/dist/start.js';
const runner = spawn(process.execPath, [program], {
  env: { ...environment, N8N_RUNNERS_GRANT_TOKEN: granted },
  stdio: 'inherit',
});
process.on('SIGTERM', () => runner.kill('SIGTERM'));
runner.on('exit', (code) => process.exit(code ?? 1));
