// The life of one engine among others: it registers under a new name, beats, and watches who else does. What
// it holds is its own only as long as its beats arrive; if it was taken for dead it begins anew, under
// another name. (Which of the others are dead is judged by `membership`.)
#pragma once

#include "workflow/attempt/attempt.hpp"
#include "workflow/engine/blockages.hpp"
#include "workflow/engine/membership.hpp"
#include "workflow/engine/programs.hpp"
#include "workflow/runtime/context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

// What follows from it.
class incarnation_host
{
public:
    virtual void alive() = 0;                             // now it may claim, and act
    virtual void lifeless(std::exception_ptr error) = 0;  // the store has been refusing it for a while
    virtual void lost() = 0;                              // what it holds may be under way elsewhere
    virtual void released() = 0;                          // what dead engines owned is due
    virtual void cannot_come_to_life() = 0;               // it stops, and was never alive

protected:
    ~incarnation_host() = default;
};

class incarnation
{
public:
    incarnation(engine_context& e, programs const& p, blockages& b, incarnation_host& host);

    // Begins to live; only the first time counts.
    void start();

    bool is_unborn() const noexcept { return life_ == life::unborn; }
    bool is_registering() const noexcept { return life_ == life::registering; }
    bool is_alive() const noexcept { return life_ == life::alive; }

    // The name of this one; what it leases is owned by that.
    std::string const& id() const noexcept { return id_; }
    bool               owns(transaction const& row) const noexcept { return is_alive() && row.owner == id_; }

    // False: the last confirmed beat is too old to send or answer anything.
    bool may_act() const;

    // When the last confirmed beat was sent.
    std::chrono::nanoseconds last_beat() const noexcept { return last_beat_; }

    // Waits for the next beat: it is resumed (`go_on`) then, or abandoned.
    void hold(attempt& a) { held_.emplace_back(&a); }
    void forget_held() { held_.clear(); }

    // Somebody took this engine for dead.
    void lose();

    // The leases go back. `then(error)` follows.
    void unregister(std::function<void(std::exception_ptr)> then);

    // Rows that stay as they are until a person has mended what refuses them.
    void tell_refused(std::string const& rows);

private:
    enum class life : std::uint8_t
    {
        unborn,
        registering,
        alive,
        gone
    };

    void register_engine();
    void registered(std::exception_ptr error);
    void not_registered(std::exception_ptr error);
    void beat();
    void beaten_at(std::chrono::nanoseconds began, std::exception_ptr error, beaten b);
    void bury(std::vector<heartbeat> dead);
    void release_dead();
    void released_some(std::exception_ptr error, released const& r);

    engine_context&                            context_;
    programs const&                            programs_;
    blockages&                                 blockages_;
    incarnation_host&                          host_;
    life                                       life_ = life::unborn;
    std::string                                id_;
    std::chrono::nanoseconds                   last_beat_{0};
    membership                                 others_;
    std::optional<std::chrono::nanoseconds>    lifeless_since_;  // the store's first refusal
    std::vector<boost::intrusive_ptr<attempt>> held_;            // wait for a beat
    bool                                       releasing_ = false;
    std::string                                refused_rows_;  // what was said of them last
    call_timer                                 beat_timer_, retry_timer_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
