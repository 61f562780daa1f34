/// \file
/// What the engine counts, for whoever wants to export it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft {
inline namespace v0 {

/// Gets told what happens, on the engine's strand or its store thread. Implementations must be thread-safe and quick.
class counters
{
public:
    enum class event : std::uint8_t
    {
        created,           ///< transactions created here
        committed,         ///< transactions that reached `succeed` here
        rolled_back,       ///< transactions that reached `failed` here
        paused,            ///< transactions that now wait for a person
        attempts,          ///< attempts begun
        claimed,           ///< transactions claimed from the store
        taken_over,        ///< transactions released from dead engines by this one
        operations,        ///< operations sent
        retries,           ///< operations sent again
        unknown_outcomes,  ///< operations that answered `ongoing` or `error`
        batches,           ///< database transactions of the committer
        writes,            ///< writes in them
        fenced,            ///< writes refused because somebody else goes on
        store_errors,      ///< times the store could not be reached
        body_exceptions,   ///< attempts that ended because the body threw something that is no failure
        unanswered         ///< times that one operation had no answer so often in a row that somebody should hear of it
    };
    static constexpr std::size_t event_count = 16;

    virtual ~counters() = default;
    virtual void count(event, std::uint64_t how_many) noexcept = 0;
};

}  // namespace v0
}  // namespace weft
