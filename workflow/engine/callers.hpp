// What callers leave waiting for the store: how much of it there may be, what waits until the engine is
// alive, and what is known of a gid as long as something asked for it may still be written (I8).
#pragma once

#include "workflow/engine/caller_write.hpp"
#include "workflow/engine/claims.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class callers
{
public:
    callers(engine_context& e, incarnation& me, running& here, claims& c, committer& writes)
        : context_(e)
        , incarnation_(me)
        , running_(here)
        , claims_(c)
        , committer_(writes)
    { }

    // --- ways in

    // A write of a caller's: refused at once if too much waits already.
    // `in_doubt`: an earlier write of the same question may have been applied.
    void ask(std::string gid, std::size_t bytes, std::function<write()> make, asking::then then,
             bool in_doubt = false);
    void ask_when_alive(std::string gid, std::size_t bytes, std::function<write()> make, asking::then then,
                        bool in_doubt = false);

    void go_when_alive(boost::intrusive_ptr<caller_write> w);

    // The engine is alive, or stops.
    void go_all();

    // It cannot come to life: they are taken back, and told.
    void give_up_all(std::exception_ptr const& error);

    // A caller does not wait any longer.
    known withdraw(caller_write& w);

    // --- what is known

    // Why there is no room for so much more.
    std::optional<store_error> full(std::size_t bytes, known written) const;

    // Whether something that was asked for about this gid, more than these `own`, may still be written; for
    // whoever asks for a transaction also whether it is here already.
    bool may_be_written(std::string const& gid, bool or_is_here, std::size_t own) const noexcept
    {
        return writes_.count(gid) > own || (or_is_here && running_.contains(gid));
    }
    known nothing_written(std::string const& gid, bool asks_for_transaction) const noexcept
    {
        return may_be_written(gid, asks_for_transaction, 0) ? known::in_doubt : known::not_written;
    }

    // --- of the writes themselves
    void wait(std::string const& gid, std::size_t bytes);
    void leave(std::string const& gid, std::size_t bytes) noexcept;
    void is_coming() noexcept { running_.is_coming(); }
    void has_come() noexcept
    {
        running_.has_come();
        claims_.room_freed();
    }
    bool engine_stops() const noexcept { return context_.stopping(); }
    void queue(write&& w, boost::intrusive_ptr<write_sink> sink)
    {
        committer_.add(std::move(w), std::move(sink));
    }

    // One was applied that nobody waits for any more: what it leased has to run all the same.
    void leased_for_nobody() { claims_.claim_what_is_ours(); }

private:
    boost::intrusive_ptr<asking> question(std::string gid, std::size_t bytes, bool needs_life,
                                          std::function<write()> make, asking::then then, bool in_doubt);

    engine_context& context_;
    incarnation&    incarnation_;
    running&        running_;
    claims&         claims_;
    committer&      committer_;

    std::unordered_multiset<std::string_view>       writes_;  // their gids, which are their own
    std::size_t                                     bytes_ = 0;
    std::vector<boost::intrusive_ptr<caller_write>> before_alive_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
