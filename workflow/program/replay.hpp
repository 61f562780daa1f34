// A journal that is being replayed: which outcome comes next, and which of its branches have been asked for.
#pragma once

#include "workflow/program/journal.hpp"
#include "workflow/program/plan.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class replay
{
public:
    replay() = default;
    explicit replay(std::unique_ptr<recorded_journal> journal);

    // False: there was nothing, or all of it has been read.
    explicit operator bool() const noexcept { return journal_ != nullptr; }

    // The branch of this id; null: the journal has none.
    recorded_branch const* find(std::string_view id) const;

    // The body has asked for it, and it is what was recorded. It waits there, if it waits.
    void asked(recorded_branch const& b, std::optional<slot> there) noexcept;

    // Where the body waits for it; nothing: it has not asked, or does not wait.
    std::optional<slot> waits_at(recorded_branch const& b) const noexcept;

    // The branch whose outcome comes next; null: there is no more.
    recorded_branch const* next() const noexcept;
    void                   passed() noexcept { ++next_; }

    // The first branch that nobody has asked for, of those of which `which` is true; null: there is none.
    template <class Which>
    recorded_branch const* not_asked(Which which) const
    {
        if (journal_)
            for (std::size_t i = 0; i < asked_.size(); ++i)
                if (asked_[i] == not_yet && which(journal_->branches[i]))
                    return &journal_->branches[i];
        return nullptr;
    }

    // How many branches have been asked for, of how many.
    std::size_t matched() const noexcept { return matched_; }
    std::size_t known() const noexcept { return journal_ ? journal_->branches.size() : matched_; }

    // Lets go of what `recorded_branch::data` points into, once all has been read.
    void forget_if_read() noexcept;
    void forget() noexcept { journal_.reset(); }

private:
    static constexpr slot not_yet = static_cast<slot>(-1), nowhere = static_cast<slot>(-2);

    std::size_t at(recorded_branch const& b) const noexcept { return static_cast<std::size_t>(&b - journal_->branches.data()); }

    std::unique_ptr<recorded_journal> journal_;
    std::vector<slot>                 asked_;  // for each of its branches
    std::size_t                       matched_ = 0;
    std::size_t                       next_ = 0;  // of the outcomes
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
