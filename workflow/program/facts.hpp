// The facts of one transaction: what its journal has, as far as a program must know it, and those that are not written yet.
#pragma once

#include "workflow/program/journal.hpp"

#include <weft/store.hpp>

#include <cstdint>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

class facts
{
public:
    // Of a transaction that is being created (milliseconds since 1970).
    void begin(std::int64_t created) noexcept;

    // Of one whose journal has been read; `bytes` of it are not sealed.
    void begin(std::int64_t created, recorded_journal const& journal, std::size_t bytes) noexcept;

    // Adds one. It happened now, or when the last one did if the clock has gone back. `again`: it says only that an
    // operation is sent again, which is no progress.
    void add(entry e, std::int64_t now, bool again = false);

    bool          pending() const noexcept { return count_ > 0; }
    std::uint64_t added() const noexcept { return total_ + taken_ + count_; }  // written or not
    std::uint64_t written() const noexcept { return total_; }                  // so many of them
    std::int64_t  last_at() const noexcept { return last_at_; }

    // A recorded one is replayed.
    void passed(std::int64_t at) noexcept { last_at_ = at; }

    // Those that are not written, as a write without gid, owner and position. Past `seal_at` bytes it seals what is before
    // them.
    extend_write take(std::size_t seal_at);

    // They were not written after all, and go with the next ones.
    void put_back(extend_write const& taken);

    // One more in `taken`: of what the store did itself, in the same write.
    void add_to(extend_write& taken, entry e, std::int64_t now);

    void written(extend_write const& w) noexcept;

private:
    std::string   text_;  // each with a comma before it
    bool          again_ = false;
    std::uint32_t count_ = 0;
    std::uint32_t taken_ = 0;  // being written
    std::uint64_t total_ = 0;
    std::uint32_t open_ = 0;  // written, and not sealed
    std::size_t   open_bytes_ = 0;
    std::uint32_t parts_ = 0;
    std::int64_t  last_at_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
