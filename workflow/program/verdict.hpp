// What becomes of a transaction: its decision, and the confirmations or undos that follow from it, one after the other.
#pragma once

#include "workflow/program/branches.hpp"

#include <weft/store.hpp>

#include <optional>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

class verdict
{
public:
    // As the row has it.
    void   begin(status written) noexcept { status_ = written; }
    status stands_at() const noexcept { return status_; }

    // Decided, or being decided, that way.
    bool rolling_back() const noexcept { return decision_ == extend_write::decision::roll_back || status_ == status::aborting; }

    // It is to be written; `fill` puts it into the write. After `written` it is the row's.
    void decide(extend_write::decision d, std::string text, std::string details);
    void fill(extend_write& w);
    void written(extend_write const& w) noexcept;

    // Finds out what is to be confirmed or undone, in the order in which it comes; gives the first. Once more if another decision takes the
    // place of one that was not written.
    std::optional<slot> order(branches& all);

    // That whose turn it is, its operation set. Nothing: all is done, or none may go on.
    std::optional<slot> next(branches& all);

    // Whether that is the last, if it succeeds.
    bool is_last() const noexcept { return !refused_ && at_ + 1 == order_.size(); }

    // The end is next: there is nothing to confirm or undo, or no more.
    bool nothing_left() const noexcept { return nothing_left_; }
    void all_done() noexcept { nothing_left_ = true; }

    // One of them was refused. Those before it may depend on it.
    void refused(std::string why)
    {
        text_ = std::move(why);
        refused_ = true;
    }
    std::string const* refusal() const noexcept { return refused_ ? &text_ : nullptr; }

private:
    bool is_affected(program_branch const& b) const noexcept;

    status                                  status_ = status::prepared;
    extend_write::decision                  decision_ = extend_write::decision::none;
    std::string                             text_;  // of the decision that is to be written; then, why one was refused
    std::string                             details_;
    boost::container::small_vector<slot, 2> order_;
    std::size_t                             at_ = 0;
    bool                                    nothing_left_ = false;
    bool                                    refused_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
