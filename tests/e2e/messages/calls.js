// Calls the service by grpc-js, and answers as calls.py does: the same question gets the same answers. Of its steps, it
// knows those of limits.rs: no health and no silent calls.

const { readFileSync } = require("fs");
const { join } = require("path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

// calls.py asks reflection for the service; this reads the files, as most clients do.
const types = loader.loadSync(["api/grpc/service.proto", "details.proto"], {
  includeDirs: [join(__dirname, "../../../internal/message"), join(__dirname, "proto")],
  keepCase: true,
  defaults: true,
});
const { Service } = grpc.loadPackageDefinition(types).awakari.messages;
const Event = types["pb.CloudEvent"];

// Retries are the tests' own.
const OPTIONS = { "grpc.enable_retries": 0, "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
const GZIP = { "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip };

function statusOf(error) {
  let [field, fields, retry] = ["", null, false];
  const [trailer] = error.metadata.get("grpc-status-details-bin");
  const details = trailer ? types["google.rpc.Status"].deserialize(trailer).details : [];
  for (const { type_url, value } of details) {
    const detail = types[type_url.replace("type.googleapis.com/", "")].deserialize(value);
    if (type_url.endsWith("/google.rpc.RetryInfo")) {
      retry = true;
    } else {
      [field, fields] = [detail.field_violations[0].field, detail.field_violations.length];
    }
  }
  return { status: grpc.status[error.code], text: error.details, field, fields, retry };
}

function same(is, wanted) {
  if (is !== wanted) throw new Error(`${is} bytes, not ${wanted}`);
}

const bytesOf = (event) => Event.serialize(event).length;

// Makes an event just this size.
function pad(event, size) {
  event.text_data = "";
  for (let there = bytesOf(event); there < size; there = bytesOf(event)) {
    event.text_data += "x".repeat(Math.max(1, size - there - 4));
  }
  same(bytesOf(event), size);
  return event;
}

function put(call, number) {
  const { messages = 1, source = "calls", text = "hello", attributes = 0, request_bytes: size } = call;
  const msgs = [];
  for (let at = 0; at < messages; at++) {
    const id = "ids_of" in call ? String(at).padStart(call.ids_of, "i") : (call.id ?? `${number}-${at}`);
    const event = { id, source, text_data: text, attributes: {} };
    for (let attribute = 0; attribute < attributes; attribute++) {
      event.attributes[`a${attribute}`] = { ce_integer: attribute };
    }
    msgs.push("message_bytes" in call ? pad(event, call.message_bytes) : event);
  }
  const { requestSerialize } = Service.service.PutBatch;
  let there = requestSerialize({ msgs }).length;
  while (there < size) {
    // Messages of 1,000 bytes, or long ones, then one that fills the rest. Each takes its tag and its length, too.
    const left = size - there;
    const rest = left <= 1900 ? left : left < 100_000 ? 1003 : 60_000;
    const framing = rest < 130 ? 2 : rest < 16_000 ? 3 : 4;
    msgs.push(pad({ id: `${number}-r-${msgs.length}`, source: "calls" }, rest - framing));
    there += rest;
  }
  const request = requestSerialize({ msgs });
  if (size) same(request.length, size);
  return request;
}

function varint(value) {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

// A request that is one event with so many zeros as its data.
function zeros(size) {
  const event = Buffer.concat([Buffer.from("\x0a\x01z\x32"), Buffer.from(varint(size)), Buffer.alloc(size)]);
  return Buffer.concat([Buffer.from("\x0a"), Buffer.from(varint(event.length)), event]);
}

// The bytes of a request.
function encoded(call, number) {
  if ("zeros" in call) return zeros(call.zeros);
  if ("raw" in call) return Buffer.from(call.raw, "hex");
  if (call.method === "PutBatch") return put(call, number);
  const ids = call.named ?? Array.from({ length: call.ids }, (_, at) => String(at));
  return Service.service[call.method].requestSerialize({ ids });
}

function answerOf(client, call, request) {
  const { path, responseDeserialize } = Service.service[call.method];
  const metadata = new grpc.Metadata();
  if ("key" in call) metadata.set("authorization", `Bearer ${call.key}`);
  const options = { deadline: Date.now() + 60_000 };
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, (it) => it, responseDeserialize, request, metadata, options, (error, answer) => {
      if (error) return resolve(statusOf(error));
      const count = call.method === "GetBatch" ? answer.msgs.length : answer.ackCount;
      resolve({ status: "OK", field: "", retry: false, count });
    });
  });
}

async function main() {
  const { address, calls } = JSON.parse(readFileSync(0));
  const open = (options) => new Service(address, grpc.credentials.createInsecure(), options);
  // Compression is a channel's.
  const [plain, gzip] = [open(OPTIONS), open({ ...OPTIONS, ...GZIP })];
  const answers = [];
  for (const [number, call] of calls.entries()) {
    answers.push(await answerOf(call.gzip ? gzip : plain, call, encoded(call, number)));
  }
  plain.close();
  gzip.close();
  process.stdout.write(JSON.stringify(answers));
}

main();
