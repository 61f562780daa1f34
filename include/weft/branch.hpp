/// \file
/// One participant's part in a transaction, as an operation sees it: what a participant's barrier needs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {

/// What is done for a branch. The words are dtm's.
enum class operation : std::uint8_t
{
    action,      ///< step, saga, xa: do it
    compensate,  ///< saga: undo it
    try_,        ///< tcc: reserve
    confirm,     ///< tcc: keep what was reserved
    cancel,      ///< tcc: release what was reserved
    commit,      ///< xa: commit what was prepared
    rollback     ///< xa: roll back what was prepared
};

/// "action", "compensate", "try", … Persisted in journals and barrier rows; do not rename.
std::string_view to_string(operation) noexcept;

/// The other way; nothing for any other word.
std::optional<operation> operation_from(std::string_view) noexcept;

/// True for compensate, cancel and rollback.
constexpr bool is_undo(operation op) noexcept
{
    return op == operation::compensate || op == operation::cancel || op == operation::rollback;
}

/// One operation of one branch. An operation that takes a `branch const&` as its first parameter is told which it is.
/// Lifetimes: valid until the operation has answered.
struct branch
{
    std::string     gid;   ///< the transaction
    std::string     id;    ///< "01", "02", …; nested "01.01"
    std::string     name;  ///< what the workflow calls it: "deduct-stock"
    weft::operation op = weft::operation::action;
    unsigned        send = 1;  ///< which send of this operation this is, counted from 1, as far as the journal knows

    /// When this was sent, by the engine's clock: in tests the virtual one. Not known where the engine is in another process.
    std::chrono::system_clock::time_point sent_at{};

    /// Of `wf.on_finish`: it comes after all others, and its cancel undoes nothing, for nothing was tried.
    bool at_the_end = false;

    /// A digest of its arguments, the same for all operations of the branch; 0 if it has none. Empty: not known.
    std::optional<std::uint64_t> arguments;
};

}  // namespace v0
}  // namespace weft
