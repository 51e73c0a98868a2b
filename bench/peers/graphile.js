// Sends a webhook for each job of graphile-worker until it is stopped; with `migrate`, makes its tables instead.
// The settings are those that its documentation recommends for throughput.

const { run, runMigrations } = require("graphile-worker");

const preset = {
  worker: {
    connectionString: process.env.DATABASE_URL,
    concurrentJobs: Number(process.env.AT_ONCE ?? 1),
    maxPoolSize: 10,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
};

const work = () => run({
  preset,
  taskList: {
    async webhook(payload) {
      const response = await fetch(process.env.TARGET_URL, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(payload),
        signal: AbortSignal.timeout(15_000),
      });
      await response.arrayBuffer();
      if (!response.ok) {
        throw new Error(`the endpoint answered ${response.status}`);
      }
    },
  },
});

const started = process.argv[2] === "migrate" ? runMigrations({ preset }) : work();
started.catch((error) => {
  console.error(error);
  process.exit(1);
});
