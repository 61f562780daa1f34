// A body as it is led: it runs in turns, and what it is told of ids, time and chance is the same in every run.
#pragma once

#include "workflow/program/facts.hpp"

#include <weft/detail/program.hpp>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

// A place in the code, for people: file and line.
std::string place_in_code(std::source_location const& where);

// Where what the body asks for goes.
class asked_by_body
{
public:
    // Its id is set, and nothing is wrong with it. True: so is its answer, and the body goes on. False: `waits` follows.
    virtual bool asked(branch_call& call) = 0;

    // The body, which waits for what it asked for last, is to be resumed there.
    virtual void waits(std::coroutine_handle<> body) noexcept = 0;

protected:
    ~asked_by_body() = default;
};

class led_body final : private attempt_core
{
public:
    // Why the body is not resumed any more.
    struct halt
    {
        std::string reason;
        bool        misfit = false;      // other code may go on where this one cannot
        bool        unreadable = false;  // a recorded result does not convert any more
    };

    // `payload_limit`: bytes of the arguments of a branch.
    led_body(std::string const& gid, facts const& f, std::size_t payload_limit, asked_by_body& to)
        : gid_(gid)
        , facts_(f)
        , payload_limit_(payload_limit)
        , to_(to)
    { }
    ~led_body() { drop(); }

    // Throws misuse(bad_value) if the input does not convert.
    void prepare(program const& p, std::string_view input);
    void drop() noexcept;

    explicit                operator bool() const noexcept { return static_cast<bool>(body_); }
    bool                    done() const noexcept { return body_.done(); }
    std::coroutine_handle<> handle() const noexcept { return body_.handle(); }
    std::string             result() const { return body_.result(); }

    // From where it waited until nothing in it can run.
    void run(std::coroutine_handle<> what);

    // Before it is resumed with this call's answer: it finds this id there.
    void name(branch_call& call, std::string const& id);

    // Reads the answer into its place, before the body sees it, which could catch what goes wrong here: then it stops, and this is false.
    bool read_answer(branch_call& call, bool recorded);

    void                       stop(std::string reason, bool misfit = false, bool unreadable = false);
    std::optional<halt> const& halted() const noexcept { return halt_; }
    void                       forget_halt() noexcept { halt_.reset(); }

    // From now on what it makes and drops is no mistake: it runs only for what is to be confirmed or undone.
    void collect() noexcept { collects_ = true; }

    // The id of the branch that it asked for last.
    std::string const& last_id() const noexcept { return last_id_; }

private:
    bool                                  ask(branch_call& call) override;
    void                                  wait(std::coroutine_handle<> body) noexcept override;
    void                                  forgotten(branch_call const& call) noexcept override;
    void                                  forgotten(std::source_location const& where) noexcept override;
    std::string const&                    gid() const noexcept override { return gid_; }
    std::chrono::system_clock::time_point now() const noexcept override;
    std::string                           uuid() override;
    std::uint64_t                         random() override;

    void made_and_dropped(std::string const& what, std::source_location const& where);

    std::string const& gid_;
    facts const&       facts_;
    std::size_t const  payload_limit_;
    asked_by_body&     to_;

    std::unique_ptr<context> context_;
    body                     body_;
    std::optional<halt>      halt_;
    std::string              last_id_, resumed_id_;
    std::uint64_t            numbers_ = 0, uuids_ = 0, randoms_ = 0;
    bool                     runs_ = false;  // right now
    bool                     collects_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
