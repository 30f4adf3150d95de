"""What every kind of storage can be told, whatever it is. Each kind's `Options` adds its own to these."""

from __future__ import annotations

from pydantic import BaseModel, ByteSize, ConfigDict, Field


class StoreOptions(BaseModel):
    """Patience and politeness: how long to try again, and how many bytes a second to take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retries: int = Field(
        default=8, ge=0, description="How often a call that failed for want of an answer is tried again."
    )
    patience: float = Field(
        default=300.0, ge=0, description="After how many seconds of trying a call gives up."
    )
    timeout: float = Field(default=60.0, gt=0, description="How many seconds one answer may take to begin.")
    upload_limit: ByteSize | None = Field(
        default=None, description="At most this many bytes a second are sent."
    )
    download_limit: ByteSize | None = Field(
        default=None, description="At most this many bytes a second are fetched."
    )
    append_only: bool = Field(
        default=False, description="Refuse on this side to delete or to replace anything."
    )
