// User code that does not return blocks the engine's strand, and with it the heartbeats: the engine is taken
// for dead, its successor begins the transaction and is blocked in its turn. So a blocked engine leaves a
// note in the store while it still may, and a transaction that has cost engines their lives is not attempted
// for ever.
#pragma once

#include <weft/store.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace detail {

struct blockage
{
    std::string   gid;
    std::string   engine;        // whose strand is blocked
    std::string   branch_id;     // the last one that the body asked for; empty: none yet
    std::int64_t  position = 0;  // of the journal
    std::uint32_t engines = 1;   // that were blocked at this position, with this one
};

// Where they are kept: the key is the gid.
inline constexpr std::string_view blockage_category = "blockage";

// So many engines may one transaction block.
inline constexpr std::uint32_t engines_to_lose = 2;

std::string             to_text(blockage const&);
std::optional<blockage> blockage_from(kv_row const&);  // empty: it cannot be read

// Why the transaction is not attempted any more.
std::string quarantine_reason(blockage const&);

}  // namespace detail
}  // namespace v0
}  // namespace weft
