"""Blobs by azure-storage-blob."""

from __future__ import annotations

from azure_adapters.target import Target


class SdkBlobs:
    """Blobs of one storage account, with the target's credential."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def write(self, container: str, name: str, data: bytes) -> str:
        """Store `data`, replacing what was there; return the blob's URL.

        Raises:
            LookupError: the settings name no storage account.
        """
        from azure.core.exceptions import ResourceNotFoundError
        from azure.storage.blob import BlobServiceClient

        if "storage" not in self._target.endpoints:
            raise LookupError("no storage account: set AZURE_STORAGE_ACCOUNT")
        service = BlobServiceClient(self._target.endpoints["storage"], self._target.credential)
        with service:
            blob = service.get_blob_client(container, name)
            try:
                blob.upload_blob(data, overwrite=True)
            except ResourceNotFoundError:
                service.create_container(container)
                blob.upload_blob(data, overwrite=True)
            return str(blob.url)

    def fetch(self, url: str) -> bytes:
        """Return the bytes of the blob at `url`.

        Raises:
            azure.core.exceptions.ResourceNotFoundError: no such container or blob.
        """
        from azure.storage.blob import BlobClient

        with BlobClient.from_blob_url(url, self._target.credential) as blob:
            return blob.download_blob().readall()
