// Engines that are taken for dead, as by another one that has not seen them beat for too long.
#pragma once

#include <weft/store.hpp>

#include <cstdint>
#include <limits>
#include <string>

// How often an engine has beaten, as others see it; -1 if it is not listed.
inline std::int64_t beats_of(weft::store& store, std::string const& engine)
{
    for (auto const& other : store.beat("an observer", {}).others)
        if (other.engine == engine)
            return other.beats;
    return -1;
}

// Makes every engine dead that is listed, whatever it does, and releases what they owned. Returns how many transactions that was.
inline std::size_t bury_all(weft::store& store)
{
    for (auto const& other : store.beat("an observer", {}).others)
        store.bury(other.engine, other.beats);
    return store.release_dead(std::numeric_limits<std::int32_t>::max()).count;
}
