// Calls of gRPC by bytes: over HTTP/2, without a library that would keep to the rules.

const http2 = require("http2");

// A field with a length, of number 1 to 15.
function field(number, bytes) {
  const length = [];
  for (let left = bytes.length; ; left >>= 7) {
    length.push(left > 127 ? (left & 127) | 128 : left);
    if (left < 128) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}

// A message of a put.
const put = (id, data = "x") => field(1, Buffer.concat([field(1, Buffer.from(id)), field(7, Buffer.from(data))]));

function frame(payload, { flag = 0, length = payload.length } = {}) {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, payload]);
}

function connect(port) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  // Of a call, it is told by the call.
  session.on("error", () => {});
  return session;
}

function begin(session, method, headers = {}) {
  const path = `/awakari.messages.Service/${method}`;
  const request = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  request.on("error", () => {});
  return request;
}

// Calls a method with this body. Answers with the status and its text.
function call(session, method, body, headers) {
  return new Promise((resolve) => {
    const request = begin(session, method, headers);
    const answer = { status: "none", text: "" };
    const note = (fields) => {
      answer.status = fields["grpc-status"] ?? answer.status;
      answer.text = decodeURIComponent(fields["grpc-message"] ?? answer.text);
    };
    request.on("response", note);
    request.on("trailers", note);
    request.on("close", () => resolve(answer));
    request.resume();
    request.end(body);
  });
}

module.exports = { begin, call, connect, field, frame, put };
