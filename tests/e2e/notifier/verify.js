// Verifies webhooks with standardwebhooks: null for each that is accepted, else why not.

const { Webhook } = require("standardwebhooks");

function verdict({ secret, headers, body }) {
  try {
    new Webhook(secret).verify(Buffer.from(body), Object.fromEntries(headers), { jsonParse: false });
  } catch (error) {
    return `${error.constructor.name}: ${error.message}`;
  }
  return null;
}

const questions = JSON.parse(require("fs").readFileSync(0));
process.stdout.write(JSON.stringify(questions.map(verdict)));
