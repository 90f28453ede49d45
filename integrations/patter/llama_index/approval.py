"""A person's approval of a call, asked for in a workflow."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

from llama_index.core.workflow import HumanResponseEvent, InputRequiredEvent

from patter_core.calls.result import CallResult, rejected
from patter_core.contract.keys import derived_key

if TYPE_CHECKING:
    from llama_index.core.workflow import Context

    from patter_core.contract.phone_tool import PatterTool

_PATIENCE_SEC = 120.0


class PhoneCallApprovalEvent(InputRequiredEvent):
    """A call waits for a person's yes.

    Answer with `HumanResponseEvent(response="yes", approval_id=event.approval_id)`; any other
    response is a no, and its reason.
    """

    approval_id: str
    arguments: dict[str, Any]


async def approval(
    tool: PatterTool,
    context: Context | None,
    asked: Any,  # noqa: ANN401 - a model's
) -> str | CallResult | None:
    """The key of the call that a person said yes to, or the refusal.

    LlamaIndex runs the whole step anew when an answer comes, for every answer that comes, and, in
    a workflow that was put away, for an answer to another call too. The key is the same for all of
    them, so that one yes rings once; it is kept in the workflow's store until the next question.
    """
    if context is None or tool.check(asked) is not None:
        return unapproved(tool, asked)
    text = json.dumps([tool.name, asked], sort_keys=True)
    approval_id = hashlib.sha256(text.encode()).hexdigest()[:32]
    question = f"patter_call_{approval_id}"
    try:
        answer = await context.wait_for_event(
            HumanResponseEvent,
            waiter_event=PhoneCallApprovalEvent(approval_id=approval_id, arguments=asked),
            waiter_id=approval_id,
            requirements={"approval_id": approval_id},
            timeout=_PATIENCE_SEC,
        )
        if answer.get("approval_id") != approval_id:
            await _leave_it_to_our_answer(context, approval_id)
    except TimeoutError:
        return rejected(asked["to"], "approval_denied", "Nobody approved the call in time")
    except Exception:  # LlamaIndex' way to put the step away until an answer comes.
        if (await context.store.get(question, default={})).get("answered", True):
            nonce = secrets.token_hex(16)
            await context.store.set(question, {"nonce": nonce, "answered": False})
        raise
    asking = await context.store.get(question, default={})
    await context.store.set(question, asking | {"answered": True})
    said = str(answer.response).strip()
    if said.lower() in ("yes", "y", "true", "approve"):
        return derived_key("llama_index", asking.get("nonce"), approval_id)
    return rejected(asked["to"], "approval_denied", f"The call was not approved: {said[:200]}")


def unapproved(tool: PatterTool, asked: Any) -> CallResult:  # noqa: ANN401 - a model's
    """The refusal where there is no workflow, and so nobody to ask."""
    sentence = "Nobody is there to approve the call"
    return tool.check(asked) or rejected(asked["to"], "approval_denied", sentence)


async def _leave_it_to_our_answer(context: Context, approval_id: str) -> None:
    """Put this run of the step away for good: the answer that is ours will start another one."""
    await context.wait_for_event(
        HumanResponseEvent,
        waiter_id=f"{approval_id}-other",
        requirements={"approval_id": f"{approval_id}-other"},
        timeout=None,
    )
