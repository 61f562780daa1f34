/// \file
/// One branch as the attempt sees it: its operations with their arguments, types erased. It outlives the body's frame, since
/// phase 2 runs after that is gone.
#pragma once

#include <weft/branch.hpp>
#include <weft/detail/operation_traits.hpp>
#include <weft/named.hpp>

#include <any>
#include <cstdint>
#include <memory>
#include <tuple>

namespace weft {
inline namespace v0 {

class record_writer;

/// A participant's database, asked whether it is the store's own.
class participant_database
{
public:
    virtual ~participant_database() = default;

    /// True if `store::mark` left this nonce in the database behind this connection.
    virtual bool holds(std::string const& nonce) = 0;
};

namespace detail {

enum class verb : std::uint8_t
{
    step,
    saga,
    tcc,
    xa
};
std::string_view to_string(verb) noexcept;

/// The first-phase operation of a verb, its undo, and its confirmation.
constexpr operation action_of(verb v) noexcept { return v == verb::tcc ? operation::try_ : operation::action; }
constexpr operation undo_of(verb v) noexcept
{
    return v == verb::saga ? operation::compensate : v == verb::tcc ? operation::cancel : operation::rollback;
}
constexpr operation confirm_of(verb v) noexcept { return v == verb::tcc ? operation::confirm : operation::commit; }

class branch_call;

/// Where the body waits for a result: an awaitable in its frame.
class result_place
{
public:
    /// Converts the call's answer, a success, to what the body gets. Throws what stands in the way: it is caught before the body sees it.
    virtual void read(branch_call const&) = 0;

protected:
    ~result_place() = default;
};

class branch_call : public boost::intrusive_ref_counter<branch_call>
{
public:
    branch_call(verb v, named n)
        : what(v)
        , undo_failed(n.undoes_failed())
        , timeout(n.timeout())
        , where(n.where())
        , name(std::move(n).name())
    {
        if (n.retry())
            retry = std::make_unique<retry_policy const>(*n.retry());
    }
    virtual ~branch_call() = default;

    /// Runs `op` at once if it is a function that returns its result plainly. False: it needs `start`.
    virtual bool run_inline(operation op, branch const& where, outcome& o, bool& permanent) = 0;

    /// Whether `run_inline` for `op` wants to be told the branch: building one costs, and most functions do not ask.
    virtual bool wants_branch(operation op) const noexcept = 0;

    /// Starts `op`; the answer comes through the call.
    virtual void start(operation op, operation_call call) = 0;

    /// The database in which `op` runs, if it is one that could be the store's own.
    virtual participant_database* database(operation) const noexcept { return nullptr; }

    /// Whether an operation's service lies in this memory: `with(service, f)` keeps its address.
    virtual bool needs_what_is_in(void const* from, std::size_t size) const noexcept = 0;

    /// Runs `op` on the store's own connection.
    virtual outcome run_local(operation, branch const&, record_writer&, bool& permanent)
    {
        permanent = true;
        return outcome::error("not an operation of a database");
    }

    /// Runs `op`, however that is done, and answers the call.
    void perform(operation op, operation_call call)
    {
        outcome o;
        bool    permanent = false;
        if (run_inline(op, call.where(), o, permanent))
            answer_call(std::move(call), std::move(o), permanent);
        else
            start(op, std::move(call));
    }

    /// Whether a journal's digest is that of these arguments: as it is made now, or as the first versions made it.
    bool has_digest(std::uint64_t recorded) const noexcept { return recorded == arguments || recorded == digest_as_before(); }

    bool has_undo() const noexcept { return what != verb::step; }
    bool has_confirm() const noexcept { return what == verb::tcc || what == verb::xa; }

    verb                                     what;
    bool                                     undo_failed = false;  ///< also if its first operation said no for certain
    bool                                     at_the_end = false;   ///< its confirmation or undo comes after all others
    bool                                     has_arguments = false;
    std::uint64_t                            arguments = 0;       ///< their digest
    std::size_t                              arguments_size = 0;  ///< their length as JSON
    std::string                              unrecordable;        ///< why they cannot be recorded; empty: they can
    std::optional<std::chrono::milliseconds> timeout;
    std::unique_ptr<retry_policy const>      retry;
    std::source_location                     where;
    std::string                              name;
    std::shared_ptr<http_headers const>      headers;  ///< as of `wf.branch_header`; null: none

    /// How the first-phase operation ended, for the body: set before the body is resumed. Only success or failure.
    outcome                   answer;
    boost::json::value const* recorded = nullptr;  ///< success, read from the journal: instead of `answer.text`
    std::string const*        id = nullptr;        ///< valid while the body is being resumed
    std::string const*        gid = nullptr;
    result_place*             place = nullptr;  ///< while the body waits for a result

    char const* refused = nullptr;  ///< why it cannot be performed at all: that pauses the transaction

protected:
    virtual std::uint64_t digest_as_before() const noexcept = 0;
};

/// An adapter that keeps the address of something that outlives the engine.
template <class Op>
concept adapter_with_service = operation_adapter<Op> && requires(Op const& op)
{
    {
        op.service()
        } -> std::convertible_to<void const*>;
};

/// The result of a branch whose first-phase operation is `Op`.
template <class Op, class... Args>
struct result_of_operation
{
    using type = typename plain_operation<Op, Args...>::result;
};
template <operation_adapter Op, class... Args>
struct result_of_operation<Op, Args...>
{
    using type = typename Op::template result<Args...>;
};

template <class Op, class... Args>
concept local_adapter = operation_adapter<Op> && requires(Op const& op, record_writer& w, branch const& b, Args const&... args)
{
    {
        op.database()
        } -> std::convertible_to<participant_database*>;
    op.run_local(w, b, args...);
};

/// `Ops` in the order action, undo, confirm.
template <class Arguments, class... Ops>
class branch_call_of;

template <class... Args, class... Ops>
class branch_call_of<std::tuple<Args...>, Ops...> final : public branch_call
{
public:
    template <class... A>
    branch_call_of(verb v, named n, std::tuple<Ops...> ops, A&&... args)
        : branch_call(v, std::move(n))
        , ops_(std::move(ops))
        , args_(std::forward<A>(args)...)
    {
        if constexpr (sizeof...(Args) > 0)
            try
            {
                has_arguments = true;
                std::string text;
                append_arguments(text, form::recorded);
                arguments_size = text.size();
                if constexpr ((differs_when_compared<Args>() || ...))
                {
                    text.clear();
                    append_arguments(text, form::compared);
                }
                arguments = digest(text);
            }
            catch (misuse const& e)
            {
                // Not thrown here, into the body: it could catch it.
                unrecordable = e.what();
            }
    }

    bool run_inline(operation op, branch const& where, outcome& o, bool& permanent) override
    {
        return visit(op, [&]<class Op>(Op const& f) {
            if constexpr (operation_adapter<Op>)
                return false;
            else if constexpr (plain_operation<Op, Args...>::is_awaitable)
                return false;
            else
            {
                o = run_to_outcome(permanent, [&]() -> decltype(auto) { return call(f, where); });
                return true;
            }
        });
    }

    bool wants_branch(operation op) const noexcept override
    {
        return visit(op, []<class Op>(Op const&) {
            if constexpr (operation_adapter<Op>)
                return true;
            else
                return plain_operation<Op, Args...>::takes_branch;
        });
    }

    void start(operation op, operation_call answer_to) override
    {
        visit(op, [&]<class Op>(Op const& f) {
            if constexpr (operation_adapter<Op>)
                std::apply([&](Args const&... a) { f.start(std::move(answer_to), a...); }, args_);
            else if constexpr (plain_operation<Op, Args...>::is_awaitable)
            {
                // Two statements: a call's arguments are made in any order, and this one is read before it is moved from.
                auto awaitable = call(f, answer_to.where());
                spawn_operation(std::move(awaitable), std::move(answer_to));
            }
            return true;
        });
    }

    participant_database* database(operation op) const noexcept override
    {
        participant_database* found = nullptr;
        visit(op, [&]<class Op>(Op const& f) {
            if constexpr (local_adapter<Op, Args...>)
                found = f.database();
            return true;
        });
        return found;
    }

    bool needs_what_is_in(void const* from, std::size_t size) const noexcept override
    {
        auto const lies_in = [&]<class Op>([[maybe_unused]] Op const& f) {
            if constexpr (adapter_with_service<Op>)
            {
                auto const at = reinterpret_cast<std::uintptr_t>(static_cast<void const*>(f.service()));
                return at - reinterpret_cast<std::uintptr_t>(from) < size;
            }
            else
                return false;
        };
        return std::apply([&](Ops const&... f) { return (lies_in(f) || ...); }, ops_);
    }

    outcome run_local(operation op, branch const& where, record_writer& writer, bool& permanent) override
    {
        outcome o;
        visit(op, [&]<class Op>(Op const& f) {
            if constexpr (local_adapter<Op, Args...>)
                o = run_to_outcome(permanent, [&]() -> decltype(auto) {
                    return std::apply([&](Args const&... a) -> decltype(auto) { return f.run_local(writer, where, a...); }, args_);
                });
            return true;
        });
        return o;
    }

private:
    void append_arguments(std::string& text, form how) const
    {
        std::apply([&](Args const&... a) { ((encode_to(text, a, how), text += ','), ...); }, args_);
    }

    std::uint64_t digest_as_before() const noexcept override
    {
        if constexpr ((differs_when_compared<Args>() || ...))
            try
            {
                std::string text;
                append_arguments(text, form::as_before);
                return digest(text);
            }
            catch (...)
            { }
        return arguments;
    }

    template <class Op>
    decltype(auto) call(Op const& f, branch const& where)
    {
        return std::apply([&](Args const&... a) -> decltype(auto) { return plain_operation<Op, Args...>::call(f, where, a...); }, args_);
    }

    template <class Visitor>
    bool visit(operation op, Visitor&& v) const
    {
        switch (op)
        {
        case operation::action:
        case operation::try_:
            return v(std::get<0>(ops_));
        case operation::compensate:
        case operation::cancel:
        case operation::rollback:
            if constexpr (sizeof...(Ops) > 1)
                return v(std::get<1>(ops_));
            break;
        case operation::confirm:
        case operation::commit:
            if constexpr (sizeof...(Ops) > 2)
                return v(std::get<2>(ops_));
            break;
        }
        return false;
    }

    std::tuple<Ops...>  ops_;
    std::tuple<Args...> args_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
