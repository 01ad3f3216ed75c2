"""How the command line makes its agents: the offline cascade, or any ADK live model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.participant import HOST
from swarm.session import AgentSpec
from swarm.settings import OFFLINE_MODEL

if TYPE_CHECKING:
    from google.adk.models.base_llm import BaseLlm

    from host_agent.offline.recogniser import OfflineRecogniser
    from host_agent.ports import Record, SpeechOutput
    from host_agent.universal_host_agent import UniversalHostAgent

INSTRUCTION = (
    "You are {name}, the {role} in a spoken conversation with several agents and people. Speak in two to "
    "four short sentences, without lists or markup. To pass the word to another agent, name it in your last "
    "sentence. When you were interrupted, remember that only what is left of your last turn was heard."
)


def offline_model(role: str) -> BaseLlm:
    """Return the live model that needs no key: a rule-based text model with an espeak-ng voice."""
    from host_agent.cascade import HeardCascadeLive
    from host_agent.egress import WordEgress
    from host_agent.offline.text_model import RuleTextModel
    from host_agent.offline.voice import expert_voice, host_voice

    voice = host_voice() if role == HOST else expert_voice()
    return HeardCascadeLive(RuleTextModel(), tts=WordEgress(voice))


def offline_recogniser() -> OfflineRecogniser:
    """Return the bundled recogniser; its process runs while the `async with` lasts."""
    from host_agent.offline.recogniser import OfflineRecogniser

    return OfflineRecogniser()


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
