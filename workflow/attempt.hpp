// One try at moving one transaction forward, as the engine sees it: of a workflow (workflow_attempt) or of a pattern (pattern_attempt).
#pragma once

#include "workflow/committer.hpp"
#include "workflow/limits.hpp"
#include "workflow/program/readable.hpp"
#include "workflow/schedule.hpp"

#include <weft/detail/branch_call.hpp>
#include <weft/store.hpp>

#include <memory>
#include <mutex>

namespace weft {
inline namespace v0 {
namespace detail {

class engine_core;

enum class ended_as : std::uint8_t
{
    finished,  // the final row is durable
    parked,    // given back to the store; due again, or paused
    fenced,    // somebody else goes on
    vanished   // its row is gone
};

// The way for answers into the engine, shared by it and its sends. Answers come from any thread and at any time, also when the
// engine is gone and its executor's context with it: then the way is closed.
class answers_way
{
public:
    explicit answers_way(std::shared_ptr<engine_core> engine) : engine_(std::move(engine)) { }

    // From now on nothing gets in. Returns once nothing is on its way any more.
    void close() noexcept
    {
        std::shared_ptr<engine_core> gone;
        std::lock_guard              lock(mutex_);
        gone.swap(engine_);
    }

    // Calls `f(engine)` while the engine cannot go, if it has not gone.
    template <class F>
    void enter(F f)
    {
        std::lock_guard lock(mutex_);
        if (engine_)
            f(engine_);
    }

private:
    std::mutex                   mutex_;
    std::shared_ptr<engine_core> engine_;
};

// One send that has not answered yet.
class send final : public performance
{
public:
    // Of a branch that is called: it is kept, with its arguments.
    send(std::shared_ptr<answers_way> way, boost::intrusive_ptr<branch_call> call)
        : way_(std::move(way))
        , call_(std::move(call))
        , headers_(call_->headers)
    { }

    // Of an operation that is data.
    send(std::shared_ptr<answers_way> way, std::shared_ptr<http_headers const> headers) : way_(std::move(way)), headers_(std::move(headers))
    { }

    boost::asio::any_io_executor     executor() const override;
    std::shared_ptr<weft::transport> transport() const override;
    http_headers const*              headers() const noexcept override { return headers_.get(); }
    void                             answer(outcome o, bool permanent) noexcept override;

    class attempt* waiting = nullptr;  // strand only, or while the engine goes; null once the attempt does not wait any more
    class permit   permit;             // where its branch is limited: until it has returned

private:
    std::shared_ptr<answers_way>        way_;
    boost::intrusive_ptr<branch_call>   call_;
    std::shared_ptr<http_headers const> headers_;
};

// All on the engine's strand.
class attempt : public write_sink, public timer
{
public:
    attempt(engine_core& engine, std::string gid) : engine_(engine), row_(std::make_unique<transaction>()), gid_(std::move(gid)) { }

    // Goes on after the engine made it wait.
    virtual void go_on() = 0;

    // Somebody asked to cancel, and the request is durable.
    virtual void cancel_requested() = 0;

    // Somebody at this engine decided something about it, and that is durable; the lease is this engine's still. Of patterns.
    virtual void decided_for() { }

    // The engine stops: park at the next point where nothing is lost.
    virtual void stop() = 0;

    // As in a crash: nothing more is sent or written. The engine drops its reference.
    virtual void abandon() noexcept = 0;

    // One of its sends has returned.
    virtual void on_answer(class send& of, outcome o, bool permanent) = 0;

    std::string const& gid() const noexcept { return gid_; }
    transaction const& row() const noexcept { return *row_; }

    // Whether it was parked for other engines to take.
    bool left_to_others() const noexcept { return left_to_others_; }

protected:
    void end(ended_as how);

    engine_core&                 engine_;
    std::unique_ptr<transaction> row_;  // what of it is needed
    std::string                  gid_;
    bool                         left_to_others_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
