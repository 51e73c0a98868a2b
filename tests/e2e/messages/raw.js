// Makes calls of gRPC that a library would not leave to the server: with a deadline that the client does not keep, and
// without an end. Writes the status and the text of each.

const { readFileSync } = require("fs");
const { begin, call, connect, field, frame, put } = require("./frames.js");

const { port, calls } = JSON.parse(readFileSync(0));

function body({ messages = [], ids = [], raw }) {
  if (raw !== undefined) return frame(Buffer.from(raw, "hex"));
  const texts = messages.map(([id, text]) => put(id, text));
  return frame(Buffer.concat([...texts, ...ids.map((id) => field(1, Buffer.from(id)))]));
}

async function main() {
  const session = connect(port);
  const answers = [];
  for (const step of calls) {
    const headers = {};
    if ("key" in step) headers.authorization = `Bearer ${step.key}`;
    if ("timeout" in step) headers["grpc-timeout"] = step.timeout;
    if (step.unfinished) {
      begin(session, step.method, headers);
    } else {
      answers.push(await call(session, step.method, body(step), headers));
    }
  }
  session.destroy();
  process.stdout.write(JSON.stringify(answers));
}

main();
