"""The table of a client connection's states is whole."""

from __future__ import annotations

from pillarbox.smtp.client_states import NEXT_STATE, State, Step


def test_every_state_that_waits_has_a_way_for_yes_and_for_no() -> None:
    """No answer of a server finds the table without a line."""
    for state in State:
        if state is State.CONNECTED or state.name.endswith("_SENT"):
            assert (state, Step.YES) in NEXT_STATE
            assert (state, Step.NO) in NEXT_STATE
        else:
            assert (state, Step.YES) not in NEXT_STATE


def test_no_way_leads_out_of_closed() -> None:
    """A connection that is over stays so."""
    assert not [state for state, _ in NEXT_STATE if state is State.CLOSED]


def test_every_state_can_be_reached() -> None:
    """The table names no state that nothing leads to."""
    assert {*NEXT_STATE.values(), State.CONNECTED} == set(State)
