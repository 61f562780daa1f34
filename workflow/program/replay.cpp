#include "workflow/program/replay.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

replay::replay(std::unique_ptr<recorded_journal> journal) : journal_(std::move(journal))
{
    if (journal_)
        asked_.assign(journal_->branches.size(), not_yet);
}

recorded_branch const* replay::find(std::string_view id) const
{
    if (!journal_)
        return nullptr;
    // Where nothing runs side by side, it is the next one.
    if (matched_ < journal_->branches.size() && journal_->branches[matched_].id == id)
        return &journal_->branches[matched_];
    auto const found = journal_->index.find(std::string(id));
    return found == journal_->index.end() ? nullptr : &journal_->branches[found->second];
}

void replay::asked(recorded_branch const& b, std::optional<slot> there) noexcept
{
    asked_[at(b)] = there.value_or(nowhere);
    ++matched_;
}

std::optional<slot> replay::waits_at(recorded_branch const& b) const noexcept
{
    auto const there = asked_[at(b)];
    return there == not_yet || there == nowhere ? std::nullopt : std::optional(there);
}

recorded_branch const* replay::next() const noexcept
{
    return journal_ && next_ < journal_->outcomes.size() ? &journal_->branches[journal_->outcomes[next_]] : nullptr;
}

void replay::forget_if_read() noexcept
{
    if (journal_ && matched_ == journal_->branches.size() && next_ == journal_->outcomes.size())
        journal_.reset();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
