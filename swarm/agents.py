"""How the command line makes its agents: the offline cascade, or any ADK live model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.session import AgentSpec
from swarm.settings import OFFLINE_MODEL

if TYPE_CHECKING:
    from host_agent.ports import Record, SpeechOutput
    from host_agent.universal_host_agent import UniversalHostAgent

INSTRUCTION = (
    "You are {name}, the {role} in a spoken conversation with several agents and people. Speak in two to four short "
    "sentences, without lists or markup. To pass the word to another agent, name it in your last sentence. When you "
    "were interrupted, remember that only what is left of your last turn was heard."
)


def spec(name: str, *, role: str, model: str = OFFLINE_MODEL) -> AgentSpec:
    """Return an agent by the name `name`, over the offline cascade or an ADK live model's name."""

    def host(output: SpeechOutput, record: Record) -> UniversalHostAgent:
        from host_agent import UniversalHostAgent

        return UniversalHostAgent(
            name=name,
            model=offline_model(role) if model == OFFLINE_MODEL else model,
            instruction=INSTRUCTION.format(name=name, role=role),
            output=output,
            record=record,
        )

    return AgentSpec(name=name, role=role, host=host)
