// How attempts begin here and what becomes of them. A row that is leased to this engine begins once, unless
// something stands against it: an attempt that has it already, a write that gives it back, an orphan, user
// code that blocked others.
#pragma once

#include "workflow/attempt/transaction_attempt.hpp"
#include "workflow/engine/unparked.hpp"
#include "workflow/engine/waiters.hpp"

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

namespace weft {
inline namespace v0 {
namespace detail {

// Makes attempts, which know the whole engine.
class attempt_maker
{
public:
    virtual boost::intrusive_ptr<transaction_attempt> attempt_of(std::string const& gid) = 0;

    // One has ended: where the engine stops, it may have been the last.
    virtual void attempt_ended() = 0;

protected:
    ~attempt_maker() = default;
};

class attempts
{
public:
    using found_leased = std::function<void(std::exception_ptr, std::optional<transaction>, bool ours)>;
    using found = std::function<void(std::exception_ptr, std::optional<transaction>)>;

    struct needs
    {
        programs const& code;
        incarnation&    me;
        running&        here;
        claims&         work;
        waiters&        who_waits;
        orphans&        left;
        blockages&      blocked;
        committer&      writes;
        attempt_maker&  maker;
    };
    attempts(engine_context& e, needs const& n);

    // --- beginning

    // It is leased to this engine, and came with its journal or its operations.
    void begin(transaction row);

    // It was created for this one, which is prepared.
    void begin_created(boost::intrusive_ptr<transaction_attempt> a, std::string const& workflow,
                       std::chrono::system_clock::time_point created);

    // Leased, as far as this engine knows, and not running: goes on from what the store has, if it still is.
    void take_up(std::string const& gid);

    // A row to begin with, if it is leased to this engine (`ours`). Should something else begin it while it
    // is read, what was read is old: the lease may have been given back since.
    void find_leased(std::string gid, found_leased then);

    void find(std::string gid, found then);

    // --- what becomes of them
    void decided(attempt& a) { waiters_.answer(a.row()); }
    void ended(attempt& a, ended_as how);

    // Forgets it, and goes on from what the store has.
    void reload(attempt& a);

    // The store refuses even what would give it back. It stays leased to this engine, which tries now and
    // then.
    void cannot_park(attempt& a, park_write parking, std::string const& why);

    // Somebody has decided it here: nothing that was begun before gives it back.
    void is_decided(std::string const& gid) { unparked_.forget(gid); }
    void forget(attempt& a);

    // What was leased is not this engine's any more, or will not be.
    void forget_leased()
    {
        unparked_.forget_all();
        reading_.clear();
    }

private:
    void add(boost::intrusive_ptr<attempt> const& a);
    void begin_leased(transaction row);
    void begin_if_not_blocked(transaction row);
    bool left_to_others(transaction const& row);
    void parked(attempt& a);

    engine_context& context_;
    programs const& programs_;
    incarnation&    incarnation_;
    running&        running_;
    claims&         claims_;
    waiters&        waiters_;
    orphans&        orphans_;
    blockages&      blockages_;
    attempt_maker&  maker_;
    unparked        unparked_;

    std::unordered_map<std::string, std::uint64_t> reading_;  // gid → the last read of its row to begin with
    std::uint64_t                                  reads_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
