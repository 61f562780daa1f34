#include "workflow/program/facts.hpp"

#include <algorithm>
#include <utility>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// About what a journal has after sealing: {"parts":2,"entries":87,"journal":[]}.
constexpr std::size_t sealed_bytes = 64;

}  // namespace

void facts::begin(std::int64_t created) noexcept
{
    last_at_ = created;
    open_bytes_ = empty_journal.size();
}

void facts::begin(std::int64_t created, recorded_journal const& journal, std::size_t bytes) noexcept
{
    last_at_ = created;
    total_ = journal.entries;
    open_ = journal.open_entries;
    open_bytes_ = bytes;
    parts_ = journal.parts;
}

void facts::add(entry e, std::int64_t now, bool again)
{
    again_ = again && (count_ == 0 || again_);
    last_at_ = e.at = std::max(last_at_, now);
    text_ += ',';
    append_entry(text_, e);
    ++count_;
}

extend_write facts::take(std::size_t seal_at)
{
    extend_write w;
    w.entry_count = taken_ = std::exchange(count_, 0);
    w.entries = std::exchange(text_, {});
    w.sent_again = std::exchange(again_, false);
    if (open_bytes_ >= seal_at && open_ > 0 && !w.sent_again)
    {
        w.seal_part = parts_ + 1;
        w.seal_entries = total_;
    }
    if (!w.entries.empty() && (w.seal_part > 0 || open_ == 0))
        w.entries.erase(0, 1);
    return w;
}

void facts::put_back(extend_write const& taken)
{
    taken_ = 0;
    if (taken.entry_count == 0)
        return;
    auto const before = taken.entries.front() == ',' ? taken.entries : ',' + taken.entries;
    text_ = before + text_;
    count_ += taken.entry_count;
}

void facts::add_to(extend_write& taken, entry e, std::int64_t now)
{
    last_at_ = e.at = std::max(last_at_, now);
    if (!taken.entries.empty() || (open_ > 0 && taken.seal_part == 0))
        taken.entries += ',';
    append_entry(taken.entries, e);
    ++taken.entry_count;
}

void facts::written(extend_write const& w) noexcept
{
    if (w.seal_part > 0)
    {
        parts_ = w.seal_part;
        open_ = 0;
        open_bytes_ = sealed_bytes;
    }
    total_ += w.entry_count;
    taken_ = 0;
    open_ += w.entry_count;
    open_bytes_ += w.entries.size();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
