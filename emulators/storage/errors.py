"""One class per error code of Azure Storage; a class's docstring is what Azure says."""

from __future__ import annotations

from collections.abc import Mapping

from emulators.kernel.errors import ServiceError


class StorageError(ServiceError):
    """The request failed."""

    def __init__(
        self,
        message: str | None = None,
        *,
        detail: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        said = message or " ".join((self.__doc__ or self.code).split())
        super().__init__(said, details=[dict(detail)] if detail else [], headers=headers)


class InvalidHeaderValue(StorageError):
    """The value for one of the HTTP headers is not in the correct format."""

    status, code = 400, "InvalidHeaderValue"


class MissingRequiredHeader(StorageError):
    """An HTTP header that's mandatory for this request is not specified."""

    status, code = 400, "MissingRequiredHeader"


class InvalidQueryParameterValue(StorageError):
    """Value for one of the query parameters specified in the request URI is invalid."""

    status, code = 400, "InvalidQueryParameterValue"


class OutOfRangeQueryParameterValue(StorageError):
    """One of the query parameters specified in the request URI is outside the permissible range."""

    status, code = 400, "OutOfRangeQueryParameterValue"


class MissingRequiredQueryParameter(StorageError):
    """A query parameter that's mandatory for this request is not specified."""

    status, code = 400, "MissingRequiredQueryParameter"


class InvalidUri(StorageError):
    """The requested URI does not represent any resource on the server."""

    status, code = 400, "InvalidUri"


class InvalidInput(StorageError):
    """One of the request inputs is not valid."""

    status, code = 400, "InvalidInput"


class OutOfRangeInput(StorageError):
    """One of the request inputs is out of range."""

    status, code = 400, "OutOfRangeInput"


class InvalidMarker(StorageError):
    """One of the request inputs is out of range."""

    status, code = 400, "OutOfRangeInput"


class InvalidResourceName(StorageError):
    """The specified resource name contains invalid characters."""

    status, code = 400, "InvalidResourceName"


class InvalidMetadata(StorageError):
    """The specified metadata is invalid. It has characters that are not permitted."""

    status, code = 400, "InvalidMetadata"


class EmptyMetadataKey(StorageError):
    """The key for one of the metadata key-value pairs is empty."""

    status, code = 400, "EmptyMetadataKey"


class MetadataTooLarge(StorageError):
    """The size of the specified metadata exceeds the maximum size permitted."""

    status, code = 400, "MetadataTooLarge"


class InvalidXmlDocument(StorageError):
    """XML specified is not syntactically valid."""

    status, code = 400, "InvalidXmlDocument"


class InvalidMd5(StorageError):
    """The MD5 value specified in the request is invalid. The MD5 value must be 128 bits and
    Base64-encoded.
    """

    status, code = 400, "InvalidMd5"


class Md5Mismatch(StorageError):
    """The MD5 value specified in the request did not match with the MD5 value calculated by the
    server.
    """

    status, code = 400, "Md5Mismatch"


class Crc64Mismatch(StorageError):
    """The CRC64 value specified in the request did not match with the CRC64 value calculated by
    the server.
    """

    status, code = 400, "Crc64Mismatch"


class InvalidBlobOrBlock(StorageError):
    """The specified blob or block content is invalid."""

    status, code = 400, "InvalidBlobOrBlock"


class InvalidBlockList(StorageError):
    """The specified block list is invalid."""

    status, code = 400, "InvalidBlockList"


class BlockListTooLong(StorageError):
    """The block list may not contain more than 50,000 blocks."""

    status, code = 400, "BlockListTooLong"


class InvalidHttpVerb(StorageError):
    """The resource doesn't support specified Http Verb."""

    status, code = 405, "UnsupportedHttpVerb"


class MissingContentLength(StorageError):
    """Content-Length HTTP header is required for this operation."""

    status, code = 411, "MissingContentLengthHeader"


class RequestBodyTooLarge(StorageError):
    """The request body is too large and exceeds the maximum permissible limit."""

    status, code = 413, "RequestBodyTooLarge"


class InvalidRange(StorageError):
    """The range specified is invalid for the current size of the resource."""

    status, code = 416, "InvalidRange"


class AuthenticationFailed(StorageError):
    """Server failed to authenticate the request. Make sure the value of Authorization header is
    formed correctly including the signature.
    """

    status, code = 403, "AuthenticationFailed"


class InvalidAuthenticationInfo(StorageError):
    """Server failed to authenticate the request. Please refer to the information in the www-
    authenticate header.
    """

    status, code = 401, "InvalidAuthenticationInfo"


class NoAuthenticationInformation(StorageError):
    """Server failed to authenticate the request. Please refer to the information in the www-
    authenticate header.
    """

    status, code = 401, "NoAuthenticationInformation"


class InvalidAuthorizationHeader(StorageError):
    """Authentication information is not given in the correct format. Check the value of
    Authorization header.
    """

    status, code = 400, "InvalidAuthenticationInfo"


class AuthorizationFailure(StorageError):
    """This request is not authorized to perform this operation."""

    status, code = 403, "AuthorizationFailure"


class PermissionMismatch(StorageError):
    """This request is not authorized to perform this operation using this permission."""

    status, code = 403, "AuthorizationPermissionMismatch"


class ServiceMismatch(StorageError):
    """This request is not authorized to perform this operation using this service."""

    status, code = 403, "AuthorizationServiceMismatch"


class ResourceTypeMismatch(StorageError):
    """This request is not authorized to perform this operation using this resource type."""

    status, code = 403, "AuthorizationResourceTypeMismatch"


class ProtocolMismatch(StorageError):
    """This request is not authorized to perform this operation using this protocol."""

    status, code = 403, "AuthorizationProtocolMismatch"


class SourceIPMismatch(StorageError):
    """This request is not authorized to perform this operation using this source IP."""

    status, code = 403, "AuthorizationSourceIPMismatch"


class BlobOverwrite(StorageError):
    """This request is not authorized to perform blob overwrites."""

    status, code = 403, "UnauthorizedBlobOverwrite"


class KeyAccessNotPermitted(StorageError):
    """Key based authentication is not permitted on this storage account."""

    status, code = 403, "KeyBasedAuthenticationNotPermitted"


class PublicAccessNotPermitted(StorageError):
    """Public access is not permitted on this storage account."""

    status, code = 409, "PublicAccessNotPermitted"


class ResourceNotFound(StorageError):
    """The specified resource does not exist."""

    status, code = 404, "ResourceNotFound"


class ContainerNotFound(StorageError):
    """The specified container does not exist."""

    status, code = 404, "ContainerNotFound"


class BlobNotFound(StorageError):
    """The specified blob does not exist."""

    status, code = 404, "BlobNotFound"


class ContainerAlreadyExists(StorageError):
    """The specified container already exists."""

    status, code = 409, "ContainerAlreadyExists"


class BlobAlreadyExists(StorageError):
    """The specified blob already exists."""

    status, code = 409, "BlobAlreadyExists"


class InvalidBlobType(StorageError):
    """The blob type is invalid for this operation."""

    status, code = 409, "InvalidBlobType"


class BlobArchived(StorageError):
    """This operation is not permitted on an archived blob."""

    status, code = 409, "BlobArchived"


class SnapshotsPresent(StorageError):
    """This operation is not permitted because the blob has snapshots."""

    status, code = 409, "SnapshotsPresent"


class NoPendingCopy(StorageError):
    """There is currently no pending copy operation."""

    status, code = 409, "NoPendingCopyOperation"


class ConditionNotMet(StorageError):
    """The condition specified using HTTP conditional header(s) is not met."""

    status, code = 412, "ConditionNotMet"


class NotModified(StorageError):
    """The condition specified using HTTP conditional header(s) is not met."""

    status, code = 304, "ConditionNotMet"


class SourceConditionNotMet(StorageError):
    """The source condition specified using HTTP conditional header(s) is not met."""

    status, code = 412, "SourceConditionNotMet"


class CannotVerifyCopySource(StorageError):
    """Could not verify the copy source within the specified time."""

    status, code = 404, "CannotVerifyCopySource"


class AppendPositionConditionNotMet(StorageError):
    """The append position condition specified was not met."""

    status, code = 412, "AppendPositionConditionNotMet"


class MaxBlobSizeConditionNotMet(StorageError):
    """The max blob size condition specified was not met."""

    status, code = 412, "MaxBlobSizeConditionNotMet"


class BlockCountExceedsLimit(StorageError):
    """The committed block count cannot exceed the maximum limit of 50,000 blocks."""

    status, code = 409, "BlockCountExceedsLimit"


class LeaseAlreadyPresent(StorageError):
    """There is already a lease present."""

    status, code = 409, "LeaseAlreadyPresent"


class LeaseIdMissing(StorageError):
    """There is currently a lease on the resource and no lease ID was specified in the request."""

    status, code = 412, "LeaseIdMissing"


class LeaseBlobMismatch(StorageError):
    """The lease ID specified did not match the lease ID for the blob."""

    status, code = 412, "LeaseIdMismatchWithBlobOperation"


class LeaseContainerMismatch(StorageError):
    """The lease ID specified did not match the lease ID for the container."""

    status, code = 412, "LeaseIdMismatchWithContainerOperation"


class LeaseMismatch(StorageError):
    """The lease ID specified did not match the lease ID for the resource with the specified lease
    operation.
    """

    status, code = 409, "LeaseIdMismatchWithLeaseOperation"


class LeaseNotPresentBlob(StorageError):
    """There is currently no lease on the blob."""

    status, code = 412, "LeaseNotPresentWithBlobOperation"


class LeaseNotPresentContainer(StorageError):
    """There is currently no lease on the container."""

    status, code = 412, "LeaseNotPresentWithContainerOperation"


class LeaseNotPresent(StorageError):
    """There is currently no lease on the resource."""

    status, code = 409, "LeaseNotPresentWithLeaseOperation"


class LeaseLost(StorageError):
    """A lease ID was specified, but the lease for the resource has expired."""

    status, code = 412, "LeaseLost"


class LeaseBrokenNoRenew(StorageError):
    """The lease ID matched, but the lease has been broken explicitly and cannot be renewed."""

    status, code = 409, "LeaseIsBrokenAndCannotBeRenewed"


class LeaseBreakingNoChange(StorageError):
    """The lease ID matched, but the lease is currently in breaking state and cannot be changed."""

    status, code = 409, "LeaseIsBreakingAndCannotBeChanged"


class LeaseBreakingNoAcquire(StorageError):
    """The lease ID matched, but the lease is currently in breaking state and cannot be acquired
    until it is broken.
    """

    status, code = 409, "LeaseIsBreakingAndCannotBeAcquired"


class PathNotFound(StorageError):
    """The specified path does not exist."""

    status, code = 404, "PathNotFound"


class FilesystemNotFound(StorageError):
    """The specified filesystem does not exist."""

    status, code = 404, "FilesystemNotFound"


class FilesystemAlreadyExists(StorageError):
    """The specified filesystem already exists."""

    status, code = 409, "FilesystemAlreadyExists"


class PathAlreadyExists(StorageError):
    """The specified path already exists."""

    status, code = 409, "PathAlreadyExists"


class DirectoryNotEmpty(StorageError):
    """The recursive query parameter value must be true to delete a non-empty directory."""

    status, code = 409, "DirectoryNotEmpty"


class InvalidFlushPosition(StorageError):
    """The uploaded data is not contiguous or the position query parameter value is not equal to
    the length of the file after appending the uploaded data.
    """

    status, code = 400, "InvalidFlushPosition"


class SourcePathNotFound(StorageError):
    """The source path for a rename operation does not exist."""

    status, code = 404, "SourcePathNotFound"


class NameLength(StorageError):
    """The specified resource name length is not within the permissible limits."""

    status, code = 400, "OutOfRangeInput"


class BlobIsSealed(StorageError):
    """The specified blob is sealed and its contents can't be modified unless the blob is
    re-created after a delete.
    """

    status, code = 409, "BlobIsSealed"


class InvalidXmlNodeValue(StorageError):
    """The value provided for one of the XML nodes in the request body was not in the correct
    format.
    """

    status, code = 400, "InvalidXmlNodeValue"


class MultipleConditions(StorageError):
    """Multiple condition headers are not supported."""

    status, code = 400, "MultipleConditionHeadersNotSupported"


class UnsatisfiableCondition(StorageError):
    """The request includes an unsatisfiable condition for this operation."""

    status, code = 400, "UnsatisfiableCondition"
