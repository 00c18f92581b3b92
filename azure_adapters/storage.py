"""Blobs by azure-storage-blob."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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

        service = BlobServiceClient(self._endpoint(), self._target.credential)
        with service:
            blob = service.get_blob_client(container, name)
            try:
                blob.upload_blob(data, overwrite=True)
            except ResourceNotFoundError:
                service.create_container(container)
                blob.upload_blob(data, overwrite=True)
            return str(blob.url)

    def signed(self, container: str, minutes: int) -> str:
        """Return a signature (a query without its `?`) that reads a container's blobs so long.

        It is a user delegation SAS: made by the target's identity, not by an account key.
        """
        from azure.storage.blob import (
            BlobServiceClient,
            ContainerSasPermissions,
            generate_container_sas,
        )

        begin = datetime.now(UTC) - timedelta(minutes=5)  # clocks differ
        end = begin + timedelta(minutes=minutes + 5)
        with BlobServiceClient(self._endpoint(), self._target.credential) as service:
            key = service.get_user_delegation_key(begin, end)
            name = str(service.account_name)
        read = ContainerSasPermissions(read=True, list=True)
        return generate_container_sas(
            name, container, user_delegation_key=key, permission=read, start=begin, expiry=end
        )

    def _endpoint(self) -> str:
        if "storage" not in self._target.endpoints:
            raise LookupError("no storage account: set AZURE_STORAGE_ACCOUNT")
        return self._target.endpoints["storage"]

    def fetch(self, url: str) -> bytes:
        """Return the bytes of the blob at `url`.

        Raises:
            azure.core.exceptions.ResourceNotFoundError: no such container or blob.
        """
        from azure.storage.blob import BlobClient

        with BlobClient.from_blob_url(url, self._target.credential) as blob:
            return blob.download_blob().readall()
