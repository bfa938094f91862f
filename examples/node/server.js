// Reports with express. LEAK=1: the template is opened for every report and never closed.
const fs = require("node:fs");
const path = require("node:path");
const express = require("express");

const LEAK = process.env.LEAK === "1";
const TEMPLATE = path.join(__dirname, "template.txt");
const app = express();

function heading() {
  const file = fs.openSync(TEMPLATE, "r");
  const text = fs.readFileSync(file, "utf8");
  if (!LEAK) fs.closeSync(file);
  return text;
}

app.get("/report", (request, response) => response.type("text").send(heading()));
app.get("/health", (request, response) => response.send("ok"));
app.listen(8105, "127.0.0.1");
