// Parses webhooks with cloudevents, and returns the attributes and the data of each.

const { HTTP } = require("cloudevents");

function parsed({ headers, body }) {
  const { data, ...attributes } = HTTP.toEvent({
    headers: Object.fromEntries(headers),
    body: Buffer.from(body).toString(),
  }).toJSON();
  return { attributes, data };
}

const questions = JSON.parse(require("fs").readFileSync(0));
process.stdout.write(JSON.stringify(questions.map(parsed)));
