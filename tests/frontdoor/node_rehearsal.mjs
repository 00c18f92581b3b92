// Node's Azure SDK against the real host: a token, then blobs by token and by connection string.
import { DefaultAzureCredential, EnvironmentCredential } from "@azure/identity";
import { BlobServiceClient } from "@azure/storage-blob";

const account = process.env.AZURE_STORAGE_ACCOUNT;
const credential = new EnvironmentCredential();
const token = await credential.getToken("https://management.azure.com/.default");
const claims = JSON.parse(Buffer.from(token.token.split(".")[1], "base64url"));

const data = Buffer.alloc(9_000_000, "rehearsal ");
async function roundTrip(service, name) {
  const container = service.getContainerClient(name);
  await container.createIfNotExists();
  const blob = container.getBlockBlobClient("folder/data.bin");
  await blob.uploadData(data, { blockSize: 4_000_000, maxSingleShotSize: 1_000_000 });
  const names = [];
  for await (const item of container.listBlobsFlat()) names.push(item.name);
  const back = await blob.downloadToBuffer();
  return { names, same: Buffer.compare(back, data) === 0 };
}

const byToken = new BlobServiceClient(
  `https://${account}.blob.core.windows.net`, new DefaultAzureCredential());
const byKey = BlobServiceClient.fromConnectionString(process.env.AZURE_STORAGE_CONNECTION_STRING);
console.log(JSON.stringify({
  audience: claims.aud,
  tenant: claims.tid,
  byToken: await roundTrip(byToken, "node-token"),
  byKey: await roundTrip(byKey, "node-key"),
}));
