// How an engine comes to work: it claims due transactions, in portions and as long as there is room, of its
// workflows in turn. One claim is under way at a time.
#pragma once

#include "workflow/engine/incarnation.hpp"
#include "workflow/engine/orphans.hpp"
#include "workflow/engine/polls.hpp"
#include "workflow/engine/running.hpp"

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class claims_host
{
public:
    // It is leased to this engine, and came with its journal.
    virtual void begin(transaction row) = 0;

protected:
    ~claims_host() = default;
};

class claims
{
public:
    claims(engine_context& e, programs const& p, incarnation& me, polls& looks, running& here,
           orphans const& left, claims_host& host);

    // Now, or as soon as the claim under way is over.
    void claim();

    // At the latest after this.
    void claim_in(std::chrono::milliseconds delay);

    // Something may be leased to this engine that nobody runs: the next claim brings that, too.
    void is_in_doubt() noexcept { in_doubt_ = true; }
    void claim_what_is_ours()
    {
        is_in_doubt();
        claim();
    }

    // As much is in memory as may be, and there may be more in the store.
    void is_full() noexcept { full_ = true; }

    // One less is.
    void room_freed();

    // Engines of other code come first for this workflow: it is not claimed for a while.
    void let_others_first(std::string const& workflow);

    // Asks the store which of the transactions that run here are to be cancelled.
    void look_for_cancels();

private:
    struct brought
    {
        claimed                  c;
        std::chrono::nanoseconds took{0};
    };

    std::vector<std::string> names_to_claim(bool all);
    void has_claimed(std::string const& id, std::size_t room, std::exception_ptr error, brought b);
    void begin_all(claimed c);

    engine_context&          context_;
    programs const&          programs_;
    incarnation&             incarnation_;
    polls&                   polls_;
    running&                 running_;
    orphans const&           orphans_;
    claims_host&             host_;
    call_timer               timer_;
    bool                     claiming_ = false;
    bool                     again_ = false;
    bool                     in_doubt_ = false;  // the last one may have leased rows that nobody runs
    bool                     full_ = false;
    std::vector<std::string> order_;  // the names, first the one whose turn it is

    // Workflows of which something was left to engines of other code: until when this one takes nothing of
    // them. Who claims when a row is due would always be first.
    std::map<std::string, std::chrono::nanoseconds> others_first_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
