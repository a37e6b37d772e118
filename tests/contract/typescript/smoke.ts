// Makes a task, finds it, completes it, and is told of a bad one. Each line is checked by the compiler against the document.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./build/v1.js";

const { TASKMILL_URL: baseUrl, TASKMILL_TOKEN: token } = process.env;
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

const made = await client.POST("/v1/tasks", { body: { title: "By TypeScript", labels: ["typescript"] } });
assert.equal(made.response.status, 201);
assert.ok(made.data);
const { id, version } = made.data;

const listed = await client.GET("/v1/tasks", { params: { query: { label: ["typescript"], page_size: 100 } } });
assert.ok(listed.data?.results.some((task) => task.id === id));

const completed = await client.PATCH("/v1/tasks/{id}", {
  params: { path: { id }, header: { "If-Match": `"${version}"` } },
  body: { status: "completed" },
});
assert.equal(completed.data?.status, "completed");

const refused = await client.POST("/v1/tasks", { body: { title: " " } });
assert.equal(refused.error?.errors?.[0]?.pointer, "#/title");
console.log(id);
