from enum import StrEnum

class StopReason(StrEnum):
    end_turn = "end_turn"
    tool_use = "tool_use"
