/// \file
/// What can be an operation: a plain function, or an adapter that carries what is not payload.
#pragma once

#include <weft/branch.hpp>
#include <weft/outcome.hpp>
#include <weft/transport.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <utility>

namespace weft {
inline namespace v0 {

namespace detail {

/// One send of one operation, owned jointly by the attempt that waits for it and the operation that answers.
class performance : public boost::intrusive_ref_counter<performance>
{
public:
    virtual ~performance() = default;

    weft::branch                     where;
    boost::asio::cancellation_signal cancel;

    virtual boost::asio::any_io_executor     executor() const = 0;
    virtual std::shared_ptr<weft::transport> transport() const { return nullptr; }
    virtual http_headers const*              headers() const noexcept { return nullptr; }
    virtual void                             answer(outcome, bool permanent) noexcept = 0;
};

}  // namespace detail

/// Where an operation answers. An adapter gets one in `start` and calls exactly one of the answers, once.
/// A call destroyed without an answer answers `error`.
///
/// Thread safety: answers may be given from any thread.
class operation_call
{
public:
    explicit operation_call(boost::intrusive_ptr<detail::performance> p) noexcept : to_(std::move(p)) { }
    operation_call(operation_call&&) noexcept = default;
    operation_call& operator=(operation_call&&) = delete;
    ~operation_call()
    {
        if (to_)
            std::move(*this).answer(outcome::error("the operation was abandoned without an answer"));
    }

    /// Which operation of which branch. Lifetimes: as long as this call.
    branch const& where() const noexcept { return to_->where; }

    /// The engine's own strand: blocking here stops every workflow of the engine.
    boost::asio::any_io_executor get_executor() const { return to_->executor(); }

    /// Emits `terminal` when the operation's time-out has passed or the transaction is cancelled.
    /// Lifetimes: as long as this call. Asio may look at it until a completion handler that is bound to it is called: answer there.
    boost::asio::cancellation_slot get_cancellation_slot() const { return to_->cancel.slot(); }

    /// engine_options::transport.
    std::shared_ptr<transport> get_transport() const { return to_->transport(); }

    /// What `wf.branch_header` set for this branch, or null. Lifetimes: as long as this call.
    http_headers const* headers() const noexcept { return to_->headers(); }

    void answer(outcome o) && noexcept { std::exchange(to_, nullptr)->answer(std::move(o), false); }

    /// An error that asking again cannot mend, such as a result that cannot be recorded: the transaction pauses at once.
    void answer_permanent_error(std::string why) && noexcept { std::exchange(to_, nullptr)->answer(outcome::error(std::move(why)), true); }

private:
    boost::intrusive_ptr<detail::performance> to_;
};

/// An adapter: an operation that is more than a function. It has
///     using weft_operation = void;
///     template <class... Args> using result = …;                               // what the branch returns
///     template <class... Args> void start(operation_call, Args const&...) const;
/// Lifetimes: the arguments stay valid until the call has been answered; the adapter itself too.
template <class Op>
concept operation_adapter = requires
{
    typename Op::weft_operation;
};

}  // namespace v0
}  // namespace weft
