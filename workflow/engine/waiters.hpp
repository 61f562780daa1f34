// Who waits for which end. Callers of `execute` wait for the end, or the decision, of a transaction; those of
// a manager may wait for the end of an attempt. What somebody waits for and does not run here is watched in
// the store.
#pragma once

#include "workflow/engine/callers.hpp"
#include "workflow/engine/polls.hpp"
#include "workflow/engine/running.hpp"

#include <weft/detail/completion.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class waiters
{
public:
    template <class T>
    using done = std::unique_ptr<completion<T>>;

    waiters(engine_context& e, polls& looks, running const& here, callers& writes)
        : context_(e)
        , polls_(looks)
        , running_(here)
        , callers_(writes)
    { }

    // --- for the end of a transaction

    // Returns the waiter's number. `by`: what is to bring the transaction into the store.
    std::uint64_t await(std::string const& gid, execute_options o, done<std::string> answer,
                        boost::intrusive_ptr<caller_write> by);

    // The transaction is known to be the one that was asked for.
    void join(std::string const& gid, std::uint64_t number);

    // It waits no longer, and hears this.
    void drop(std::string const& gid, std::uint64_t number, std::exception_ptr error);
    void drop_all(std::string const& gid, std::exception_ptr error);  // that have joined

    bool contains(std::string const& gid) const { return waiters_.contains(gid); }

    // Tells those whose answer this row has.
    void answer(transaction const& row);

    // It is in the store no more.
    void tell_vanished(std::string const& gid);

    // --- what does not run here

    // It may have ended already, before anybody looked: the next poll looks whether the store has changed or
    // not.
    void watch(std::string const& gid);
    void watch_if_awaited(std::string const& gid)
    {
        if (contains(gid))
            watch(gid);
    }
    void watch_all();
    void runs_here(std::string const& gid) { watched_.erase(gid); }

    void look_for_watched();
    void look_for_vanished();

    // --- for the end of an attempt

    void await_attempt(std::string const& gid, done<transaction> answer)
    {
        attempt_waiters_[gid].push_back(std::move(answer));
    }
    void answer_attempt(transaction const& row);

    // Whoever took over goes on with them.
    void lose_attempts();

    // --- the engine stops

    // Those who wait for what does not run here wait in vain.
    void stop_elsewhere();
    void stop();

private:
    struct deadline final : timer
    {
        deadline(waiters& w, std::string g, std::uint64_t n) : all(w), gid(std::move(g)), number(n) { }
        void on_timer() override;

        waiters&      all;
        std::string   gid;
        std::uint64_t number;
    };
    struct waiter
    {
        std::uint64_t     number;
        wait              until;
        bool              joined = false;  // the transaction is known to be the one that was asked for
        done<std::string> to;
        std::unique_ptr<deadline> at_the_latest;

        boost::intrusive_ptr<caller_write> submitted;  // by it, until the transaction is known to be there
    };

    static bool answer_from(transaction const& row, wait until, completion<std::string>& to);
    known       give_up(std::string const& gid, std::uint64_t number);
    void        tell_stopped(std::string const& gid);

    using by_gid = std::unordered_map<std::string, std::vector<waiter>>;
    void forget_if_empty(by_gid::iterator of);

    engine_context& context_;
    polls&          polls_;
    running const&  running_;
    callers&        callers_;
    by_gid          waiters_;
    std::uint64_t   next_ = 1;

    // Those of them that do not run here, and when it was last made sure that they are there at all.
    std::unordered_map<std::string, std::chrono::nanoseconds>       watched_;
    std::unordered_map<std::string, std::vector<done<transaction>>> attempt_waiters_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
