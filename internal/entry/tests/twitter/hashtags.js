// Finds the hashtags of texts by twitter-text.

const { readFileSync } = require("fs");
const { extractHashtags } = require("twitter-text");

const texts = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(texts.map((text) => extractHashtags(text))));
