// Numbers, times and states as people read them.
#pragma once

#include <weft/store.hpp>

#include <chrono>
#include <cstdint>
#include <string>

std::string grouped(std::int64_t n);                            // 4,000
std::string counted(std::int64_t n, std::string const& what);   // 1 order, 4,000 orders
std::string money(std::int64_t cents);                          // 1,234.50
std::string clock_time(std::chrono::system_clock::time_point);  // 2026-03-01 12:00:00.123 UTC
std::string span(std::chrono::milliseconds);                    // 14 ms, 1.34 s
std::string state_of(weft::transaction const&);                 // running, committing, rolling back, committed, rolled back, … (paused)

// How many columns a text takes: bytes that go on a character do not count.
std::size_t width(std::string const&);
std::string padded(std::string text, std::size_t columns);
std::string padded_left(std::string text, std::size_t columns);

// Whether the user's terminal shows more than ASCII.
bool unicode();
