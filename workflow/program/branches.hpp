// The branches of one workflow: what is known of each, which of them the body waits for, and which are under way.
#pragma once

#include "workflow/program/journal.hpp"
#include "workflow/program/plan.hpp"

#include <weft/detail/branch_call.hpp>

#include <boost/container/small_vector.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <algorithm>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace weft {
inline namespace v0 {
namespace detail {

// A branch in its program: a slot.
struct program_branch
{
    enum class progress : std::uint8_t
    {
        free,       // of a step that has ended
        asked,      // the body waits for it
        intended,   // likewise, and its intent is a fact: it may have been sent
        succeeded,  // of what can be undone
        failed
    };

    // Where its operation is on its way out.
    enum class sending : std::uint8_t
    {
        no,
        asked,  // the body waits for it, or it is to be asked again
        ready,  // it goes once what it rests on is durable
        under_way
    };

    boost::intrusive_ptr<branch_call> call;
    std::string                       id;
    std::coroutine_handle<>           waits;
    operation                         op = operation::action;  // the one under way, or the next
    progress                          is = progress::free;
    recorded_branch::phase2           second = recorded_branch::phase2::open;
    bool                              maybe = false;           // failed, but an earlier send may have happened
    bool                              refused_before = false;  // in phase 2, in an earlier attempt
    bool                              resent = false;          // an earlier send of the operation may have happened
    sending                           out = sending::no;
    bool                              here = false;   // the store does the operation itself
    bool                              named = false;  // a fact says verb, name and arguments
    unsigned                          xa_send = 1;
    std::uint32_t                     sends = 0;     // of the operation
    std::int64_t                      asked_at = 0;  // when the last fact before it happened
    std::uint64_t                     rests_on = 0;  // so many facts are durable before the operation is sent

    std::string where() const;  // for people: id, name and operation

    // As the journal knows it.
    void fill(recorded_branch const& recorded);
};

class branches
{
public:
    program_branch&       operator[](slot s) noexcept { return slots_[s]; }
    program_branch const& operator[](slot s) const noexcept { return slots_[s]; }
    slot                  size() const noexcept { return static_cast<slot>(slots_.size()); }
    auto                  begin() const noexcept { return slots_.begin(); }
    auto                  end() const noexcept { return slots_.end(); }

    // One that the body asks for now, and waits for.
    slot add(branch_call& call, std::string const& id, std::int64_t asked_at);

    // The body, which waits for the one that was added last, is to be resumed there.
    void wait(std::coroutine_handle<> body) noexcept { slots_[last_].waits = body; }

    // The body waits no longer; gives what is to be resumed. The slot of a step is free then, but what it held of the call's id.
    std::coroutine_handle<> answered(slot s);

    // Whether the body waits for one.
    bool any_waits() const noexcept { return waiting_ > 0; }

    // The body is not resumed any more, and nothing that it asked for is sent.
    void forget_body() noexcept;

    // To be sent, first, it is announced.
    void                  ask(slot s);
    std::span<slot const> asked() const noexcept { return asked_; }
    void                  announced() noexcept;

    // If the body waits for it and it is not on its way out.
    void ask_again(slot s);

    // Then: it may go once what it rests on is durable.
    void ready(slot s);
    bool any_ready() const noexcept { return !ready_.empty(); }
    bool only_one_ready() const noexcept { return ready_.size() == 1; }

    // The first of those of which `goes` is true.
    template <class Goes>
    std::optional<slot> take_ready(Goes goes)
    {
        auto const found = std::find_if(ready_.begin(), ready_.end(), [&](slot s) { return goes(slots_[s]); });
        if (found == ready_.end())
            return std::nullopt;
        auto const s = *found;
        ready_.erase(found);
        return s;
    }
    template <class Which>
    bool any_ready(Which which) const
    {
        return std::any_of(ready_.begin(), ready_.end(), [&](slot s) { return which(slots_[s]); });
    }

    // Nothing of all that is sent any more.
    void withdraw() noexcept;

    // Its operation is sent; its answer came, or it will not; it was not sent after all.
    void sent(slot s) noexcept;
    void came_back(slot s) noexcept;
    void not_sent(slot s) noexcept;
    bool is_under_way(slot s) const noexcept { return s < size() && slots_[s].out == program_branch::sending::under_way; }
    bool any_under_way() const noexcept { return under_way_ > 0; }

    // Of the operation that has been sent most often.
    std::uint32_t most_sends() const noexcept;
    void          forget_sends() noexcept;

private:
    boost::container::small_vector<program_branch, 1> slots_;
    boost::container::small_vector<slot, 1>           free_;
    boost::container::small_vector<slot, 1>           asked_;
    boost::container::small_vector<slot, 1>           ready_;
    slot                                              last_ = 0;
    std::uint32_t                                     waiting_ = 0;
    std::uint32_t                                     under_way_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
