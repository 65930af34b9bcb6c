// Lanes against a simple model: a script of requests, withdrawals, lost answers... and what has to hold at every step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

// Plays the script that the bytes say. What is wrong, with its step, or nothing.
std::string PlayLanes(const uint8_t* script, size_t size);
