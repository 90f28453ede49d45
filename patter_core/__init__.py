"""The engine under Patter's tool: telephony, voice, and the life of one call.

It knows no agent framework. People import `patter`; ARCHITECTURE.md draws the rooms of this house.
"""
