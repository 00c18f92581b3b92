// Node's Azure SDK and plain fetch, told nothing but the environment; prints what each was told.
import https from "node:https";
import { EnvironmentCredential } from "@azure/identity";
import { BlobServiceClient } from "@azure/storage-blob";
import { HttpsProxyAgent } from "https-proxy-agent";

const said = {};

async function attempt(name, work) {
  try {
    said[name] = await work();
  } catch (failed) {
    said[name] = { failed: String(failed), code: failed.code, status: failed.statusCode };
  }
}

await attempt("https", () => new Promise((resolve, reject) => {
  const agent = new HttpsProxyAgent(process.env.HTTPS_PROXY);
  https.get("https://management.azure.com/from/node", { agent }, (answer) => {
    let text = "";
    answer.on("data", (part) => { text += part; });
    answer.on("end", () => resolve(JSON.parse(text)));
  }).on("error", reject);
}));

// The tiny app is no token service: what counts is that the SDK reached it and read its answer.
await attempt("identity", () =>
  new EnvironmentCredential().getToken("https://management.azure.com/.default"));

await attempt("blob", async () => {
  const service = BlobServiceClient.fromConnectionString(
    process.env.AZURE_STORAGE_CONNECTION_STRING, { retryOptions: { maxTries: 1 } });
  const blob = service.getContainerClient("c").getBlockBlobClient("b.bin");
  const answer = await blob.upload(Buffer.alloc(200_000), 200_000);
  return { status: answer._response.status };
});

await attempt("queueHost", async () => {
  const service = BlobServiceClient.fromConnectionString(
    process.env.AZURE_STORAGE_CONNECTION_STRING.replace(
      "EndpointSuffix=core.windows.net", "BlobEndpoint=https://acct.queue.core.windows.net"),
    { retryOptions: { maxTries: 1 } });
  return service.getProperties();
});

console.log(JSON.stringify(said));
