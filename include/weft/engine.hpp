/// \file
/// The engine: runs workflows against a store, recovers what a crash left, and answers those who wait.
#pragma once

#include <weft/clock.hpp>
#include <weft/counters.hpp>
#include <weft/detail/completion.hpp>
#include <weft/detail/program.hpp>
#include <weft/errors.hpp>
#include <weft/fwd.hpp>
#include <weft/gid.hpp>
#include <weft/retry.hpp>
#include <weft/store.hpp>
#include <weft/transport.hpp>
#include <weft/xa_participant.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace spdlog {
class logger;
}

namespace weft {
inline namespace v0 {

namespace detail {
class engine_impl;

/// The seam of the test kit: what happens when an operation is sent.
class participants
{
public:
    virtual ~participants() = default;

    /// Told of every send. True: `perform` shall do it; false: the operation itself runs.
    virtual bool wants(branch const& where) = 0;

    /// Answers the call in the operation's stead. `run` performs the operation itself and answers the call it is given.
    virtual void perform(operation_call call, std::function<void(operation_call)> run) = 0;
};
}  // namespace detail

/// What goes wrong with a transaction that still goes on by itself: for whoever should hear of it before it pauses, if it does.
struct trouble
{
    enum class kind : std::uint8_t
    {
        body_threw,  ///< something that is no failure: the body is run again, later
        no_answer    ///< one operation has had no answer so often in a row: engine_options::trouble_after
    };

    kind          what = kind::body_threw;
    std::string   gid;
    std::string   workflow;   ///< empty for a pattern
    std::string   branch_id;  ///< of no_answer; empty for a pattern
    std::string   branch;     ///< its name; of a pattern, its URL
    std::string   text;       ///< what the exception, or the last answer, said
    std::uint32_t times = 0;  ///< so often in a row, this time included
};

/// Each number has a range, which the engine's constructor names when it refuses one. A time of `milliseconds::max()` means for ever.
struct engine_options
{
    /// Null: the machine's clock.
    std::shared_ptr<weft::clock> clock;

    /// Null: warnings and errors go to stderr, in weft::testing nowhere. A logger without sinks: no log. Every line about a transaction carries
    /// its gid; payloads and results never appear.
    std::shared_ptr<spdlog::logger> logger;

    /// Null: nothing is counted. Lifetimes: shared with the engine.
    std::shared_ptr<weft::counters> counters;

    /// How `weft::post` and the others send: `make_http_transport()` in <weft/http.hpp>. Null: such operations pause their transaction.
    std::shared_ptr<weft::transport> transport;

    /// Called on the engine's strand when a transaction has to wait for a person: `paused_reason` says for what.
    std::function<void(transaction const&)> on_paused;

    /// Called on the engine's strand when a transaction has ended here; its final row is durable.
    std::function<void(transaction const&)> on_finished;

    /// Called on the engine's strand when a body threw, or an operation had no answer several times in a row. The log has it as a warning,
    /// and `counters` counts it, too. What ends with a pause is told to `on_paused` besides.
    std::function<void(trouble const&)> on_trouble;

    /// After how many sends of one operation without an answer (`ongoing` is one) in a row that is trouble; again after twice as many, four
    /// times as many, and so on.
    std::uint32_t trouble_after = 5;

    // How long things take

    std::chrono::milliseconds beat{1'000};    ///< between two heartbeats
    std::chrono::milliseconds expiry{4'000};  ///< an engine that others have not seen beat for so long is dead
    std::chrono::milliseconds poll{250};      ///< how often to look for other processes' changes; less often where a look takes long
    std::chrono::milliseconds sweep{30'000};  ///< how often to look for prepared XA transactions that nobody will finish
    std::chrono::milliseconds operation_timeout{30'000};  ///< unless the branch's `named` says otherwise; 0: none
    retry_policy              retry;                      ///< unless the branch's `named` says otherwise

    /// For rolling deployments: how long a transaction whose journal does not fit the body here, or whose input or results this body cannot
    /// read, is left to engines of the code that it fits, before it is due again. 0: it pauses. Up to twice as long this engine takes up nothing
    /// of that workflow, so that others come first.
    std::chrono::milliseconds leave_misfits{0};

    // How much at once

    /// Attempts that end in disorder, without one journal entry, before a pause (of a pattern: a wait). A body that throws a `std::logic_error`
    /// pauses after three: that is a mistake in the code.
    std::uint32_t attempt_limit = 10;
    std::size_t   claim_batch = 256;          ///< transactions claimed in one go
    std::size_t   max_in_flight = 1'000'000;  ///< transactions held in memory; further ones wait in the store
    std::size_t   batch_limit = 4'096;        ///< writes in one database transaction
    std::size_t   payload_limit = 16u << 20;  ///< bytes of one input, one branch's arguments, or one result, as JSON
    std::size_t   seal_at = 4'096;            ///< bytes of journal after which it is sealed into a part

    // What callers may leave waiting for the store: submissions, requests, what a manager is asked for. Beyond that they are refused at
    // once, with a store_error that says not_written. What transactions under way have to write is never refused.

    std::size_t queue_limit = 65'536;     ///< writes
    std::size_t queue_bytes = 64u << 20;  ///< bytes of them; a single one may be larger

    // For tests

    bool replay_always = false;  ///< replay the body from the journal after every write, as after a crash

    /// Where all blocking calls run, one after the other: a thread pool of one thread, or a strand. Empty: threads of the engine's own, one for
    /// its writes, one for its heartbeats, and others for what is asked, so that none of these waits for another.
    boost::asio::any_io_executor store_executor;

    /// Seeds the jitter of retries and the incarnation's id; 0: from the machine.
    std::uint64_t seed = 0;

    /// Null: operations run. Set by weft::testing::environment.
    std::shared_ptr<detail::participants> participants;
};

/// How much of one operation may go on at a time: `engine.limit("charge", {.at_once = 8, .per_second = 100})`.
struct operation_limit
{
    std::size_t at_once = 0;     ///< sends that have not returned; 0: no limit
    std::size_t per_second = 0;  ///< sends within any one second, up to 1,000,000; 0: no limit
};

/// Until when `execute` waits.
enum class wait : std::uint8_t
{
    finished,  ///< the final row is durable
    decided    ///< the decision is durable; confirmations and undos may still be under way
};

/// Options of one `execute`: `weft::until(weft::wait::decided).within(5s)`.
class execute_options
{
public:
    explicit execute_options(wait w = wait::finished) noexcept : wait_(w) { }
    execute_options within(std::chrono::milliseconds t) const noexcept
    {
        auto other = *this;
        other.deadline_ = t;
        return other;
    }
    weft::wait                               what() const noexcept { return wait_; }
    std::optional<std::chrono::milliseconds> deadline() const noexcept { return deadline_; }

private:
    weft::wait                               wait_;
    std::optional<std::chrono::milliseconds> deadline_;
};

inline execute_options until(wait w) noexcept { return execute_options(w); }
/// `within(5s)`: waits for the end, but no longer than this; then throws unfinished(deadline_passed). `milliseconds::max()`: for ever.
inline execute_options within(std::chrono::milliseconds t) noexcept { return execute_options().within(t); }

enum class cancel_answer : std::uint8_t
{
    accepted,  ///< it will roll back
    too_late   ///< it is decided, one way or the other
};

/// Runs workflows. Several engines, in one process or in many, may share a store.
///
/// One engine does its work on one strand of the given executor: bodies, plain operations and awaitable operations of all its
/// transactions run there, so services need no locks against each other, and nothing on it may block. Blocking calls of the
/// store happen on threads of the engine's own. For more cores, run several engines on one store.
///
/// Every asynchronous member takes any Asio completion token last (default: `use_awaitable`), among them `weft::blocking`; one that is an
/// lvalue is copied.
///
/// Thread safety: all members may be called from any thread, except construction, `add`, `declare` and destruction.
/// Lifetimes: the store, the services given to `add` and the executor's context outlive the engine. Destroying an engine that
/// has not been stopped abandons its transactions as a crash would: the next engine goes on with them, and everybody who still waits for an
/// answer of this one is told unfinished(stopped). The destructor waits for the store's thread; a call that the store does not answer
/// within a second is broken off (`store::interrupt`).
class engine
{
public:
    /// Errors: misuse naming the option if one is out of its range.
    engine(boost::asio::any_io_executor executor, weft::store& store, engine_options options = {});

    template <class ExecutionContext>
    requires std::is_convertible_v<ExecutionContext&, boost::asio::execution_context&> engine(ExecutionContext& context, weft::store& store,
                                                                                              engine_options options = {})
        : engine(boost::asio::any_io_executor(context.get_executor()), store, std::move(options))
    { }

    ~engine();
    engine(engine const&) = delete;
    engine& operator=(engine const&) = delete;

    /// Registers a body under a name, and returns what starts it: a `handle<receipt(order)>` for a body that takes an
    /// order and returns a receipt. The name is stored with each transaction: it is how a later process finds the code.
    /// Services are kept by value, or by reference if wrapped in std::ref.
    /// Errors: misuse if the name is taken, empty or longer than 128 bytes. Call it before anything else.
    template <class Body, class... Services>
    handle<detail::signature_of<Body, Services...>> add(std::string name, Body body, Services&&... services)
    {
        add_program(name, detail::make_program(detail::body_pointer(body), std::forward<Services>(services)...));
        return handle<detail::signature_of<Body, Services...>>(*this, std::move(name));
    }

    /// Makes a weft::database (or another resource) known for `wf.xa`: its prepared transactions carry this store's id,
    /// and the sweep looks after those that a crash has left behind. Reads from the store. Errors: misuse if it works for another store already; store_error. Call it before anything else.
    void add(xa_participant& resource);

    /// Says that a workflow of this name, which takes this input and returns this result, runs in other processes; it
    /// may be submitted here.
    ///     auto place = engine.declare<receipt(order)>("place-order");
    /// Errors: misuse if the name is empty or longer than 128 bytes. Call it before anything else.
    template <class Signature>
    handle<Signature> declare(std::string name)
    {
        declare_name(name);
        return handle<Signature>(*this, std::move(name));
    }

    /// Limits the sends of all branches of this name (`wf.step(name, …)`; confirmations and undos too), in this engine: what is beyond it
    /// waits, in the order in which it came, its intent durable and its time-out not yet running. Called again it replaces the limit; one
    /// without numbers ends it. Thread safety: any thread, at any time. Errors: misuse if a number is out of its range.
    void limit(std::string branch_name, operation_limit limit);

    /// Runs a workflow by its name, for callers that have the input, and want the result, as JSON text (empty: none).
    /// `handle::execute` says what is durable when it answers, and what goes wrong.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto execute_text(std::string workflow, gid id, std::string input, Token&& token = {})
    {
        return launch_text(execute_options(), std::forward<Token>(token), std::move(workflow), std::move(id), std::move(input));
    }

    /// The same for `handle::submit`.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto submit_text(std::string workflow, gid id, std::string input, Token&& token = {})
    {
        return launch_text(std::nullopt, std::forward<Token>(token), std::move(workflow), std::move(id), std::move(input));
    }

    /// The transaction with its journal, or nothing.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto query(gid id, Token&& token = {})
    {
        return initiate<std::optional<transaction>, std::optional<transaction>>(
            std::forward<Token>(token), [](engine& e, std::string g, auto done) { e.start_query(std::move(g), std::move(done)); },
            std::move(id).str());
    }

    /// Transactions without their journals, oldest due first. `filter` is a list_filter; where the call is awaited it is a variable:
    ///     weft::list_filter paused{.paused = true};
    ///     auto rows = co_await engine.list(paused);
    template <class Filter = list_filter, class Token = boost::asio::use_awaitable_t<>>
    auto list(Filter&& filter, Token&& token = {})
    {
        detail::check_awaited_argument<Filter, Token, std::vector<transaction>>();
        return initiate<std::vector<transaction>, std::vector<transaction>>(
            std::forward<Token>(token), [](engine& e, list_filter f, auto done) { e.start_list(std::move(f), std::move(done)); },
            list_filter(std::forward<Filter>(filter)));
    }

    /// Removes up to `limit` transactions that ended longer ago than `older_than`, with their journals, and answers how many: fewer than
    /// `limit` are the last ones. A gid that was removed can be used anew, so keep transactions for as long as anybody may ask again:
    ///     while (co_await engine.purge(std::chrono::hours(24 * 30)) == 1'000) { }
    /// Durability: they are removed when this answers. Errors: store_error (some may have been removed), and misuse where a coordinator keeps
    /// them; misuse(bad_value) if `limit` is 0.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto purge(std::chrono::milliseconds older_than, std::size_t limit = 1'000, Token&& token = {})
    {
        return initiate<std::size_t, std::size_t>(
            std::forward<Token>(token),
            [](engine& e, std::chrono::milliseconds age, std::size_t n, auto done) { e.start_purge(age, n, std::move(done)); }, older_than,
            limit);
    }

    /// Asks a transaction to roll back. It never enters the body and cannot be caught there. Of a pattern (patterns.hpp) this decides at
    /// once: `too_late` where it has been submitted already, but for a saga, which is compensated.
    /// Durability: the request is durable when this answers `accepted`, and the transaction can no longer commit.
    /// Errors: misuse(bad_gid, unknown_gid), unfinished(stopped), store_error; the last two say what is known of the request: `written()`.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto cancel(gid id, Token&& token = {})
    {
        return initiate<cancel_answer, cancel_answer>(
            std::forward<Token>(token), [](engine& e, std::string g, auto done) { e.start_cancel(std::move(g), std::move(done)); },
            std::move(id).str());
    }

    /// Lets a paused transaction go on: what it stumbled over is tried again.
    /// Errors: misuse(bad_gid, unknown_gid), unfinished(stopped), store_error; the last two say what is known of the request: `written()`.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto resume(gid id, Token&& token = {})
    {
        return initiate<void, std::monostate>(
            std::forward<Token>(token), [](engine& e, std::string g, auto done) { e.start_resume(std::move(g), std::move(done)); },
            std::move(id).str());
    }

    /// Lets all paused transactions go on that `filter` names, the newest first, and answers how many. `filter.limit` is how many at most; each
    /// is looked at once, so what pauses again at once is not resumed again by this. After a deployment that mends a workflow:
    ///     weft::list_filter broken{.workflow = "transfer", .limit = 100'000};
    ///     auto n = co_await engine.resume(broken);
    /// Errors: unfinished(stopped), store_error: some may have been resumed.
    template <class Filter, class Token = boost::asio::use_awaitable_t<>>
    requires std::is_same_v<std::remove_cvref_t<Filter>, list_filter>
    auto resume(Filter&& filter, Token&& token = {})
    {
        detail::check_awaited_argument<Filter, Token, std::size_t>();
        return initiate<std::size_t, std::size_t>(
            std::forward<Token>(token), [](engine& e, list_filter f, auto done) { e.start_resume_all(std::move(f), std::move(done)); },
            list_filter(std::forward<Filter>(filter)));
    }

    /// Takes part until `stop`: leases, retries, recovers. (`execute` and `submit` start this too; `run` is how to wait for its end.)
    template <class Token = boost::asio::use_awaitable_t<>>
    auto run(Token&& token = {})
    {
        return initiate<void, std::monostate>(std::forward<Token>(token), [](engine& e, auto done) { e.start_run(std::move(done)); });
    }

    /// Takes on nothing new, lets operations in flight finish and be recorded, gives the leases back, and answers. What has not
    /// returned by `deadline` from now is abandoned as in a crash: asynchronous operations get a cancellation of type `terminal` and a tenth
    /// of a second to heed it, and a store that does not answer is given half a second to take the leases back. Then this answers, whatever
    /// hangs. `milliseconds::max()`: waits for ever.
    ///
    /// Whoever waits for a transaction that this engine does not finish any more is told unfinished(stopped), at once where it has been given
    /// back: also an operation that awaits `execute` of its own engine.
    ///
    /// When it has answered, no frame of a body lives, and no user code of this engine runs, but for what nobody can interrupt: an operation
    /// that blocks a thread (`weft::sql`, `wf.xa`, a thread of its own), or awaits something that heeds no cancellation, goes on until it
    /// returns, and may use its branch's arguments and its services so long. Nobody hears its answer; the next engine sends it again.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto stop(std::chrono::milliseconds deadline, Token&& token = {})
    {
        return initiate<void, std::monostate>(
            std::forward<Token>(token), [](engine& e, std::chrono::milliseconds d, auto done) { e.start_stop(d, std::move(done)); },
            deadline);
    }

    /// True while it may act: the store has taken a heartbeat of it, no longer ago than `expiry`. False before the first one, and after `stop`.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto alive(Token&& token = {})
    {
        return initiate<bool, bool>(std::forward<Token>(token), [](engine& e, auto done) { e.start_alive(std::move(done)); });
    }

    /// Transactions held in memory right now, and operations sent that have not returned.
    struct load
    {
        std::size_t transactions = 0;
        std::size_t operations = 0;
    };
    load in_flight() const noexcept;

private:
    friend class transaction_manager;
    template <class>
    friend class handle;

    template <class T>
    using done = std::unique_ptr<detail::completion<T>>;

    void add_program(std::string name, std::unique_ptr<detail::program> program);
    void declare_name(std::string name);
    bool create_within(std::any const& connection, std::string name, std::string gid, std::string input);
    void start_execute(std::string name, std::string gid, std::string input, std::optional<execute_options> options,
                       done<std::string> answer);  // without options: until it is durable
    void start_query(std::string gid, done<std::optional<transaction>> answer);
    void start_list(list_filter filter, done<std::vector<transaction>> answer);
    void start_purge(std::chrono::milliseconds older_than, std::size_t limit, done<std::size_t> answer);
    void start_cancel(std::string gid, done<cancel_answer> answer);
    void start_resume(std::string gid, done<std::monostate> answer);
    void start_resume_all(list_filter filter, done<std::size_t> answer);
    void start_alive(done<bool> answer);
    void start_run(done<std::monostate> answer);
    void start_stop(std::chrono::milliseconds deadline, done<std::monostate> answer);

    boost::asio::any_io_executor outer_executor() const;
    boost::asio::any_io_executor strand() const;

    // `Token` is the forwarding reference's type: a token that is an lvalue is copied.
    template <class T, class Raw, class Token, class Start, class... Args>
    auto initiate(Token&& token, Start start, Args... args)
    {
        return initiate_with<T, Raw>(
            std::forward<Token>(token), start, [](Raw raw) { return raw; }, std::move(args)...);
    }

    template <class T, class Raw, class Token, class Start, class Convert, class... Args>
    auto initiate_with(Token&& token, Start start, Convert convert, Args... args)
    {
        if constexpr (detail::blocks<Token>)
            detail::refuse_to_block(strand());
        return boost::asio::async_initiate<Token, typename detail::completion_signature<T>::type>(
            [this, start, convert](auto handler, Args... a) {
                start(*this, std::move(a)..., detail::make_completion<T, Raw>(std::move(handler), outer_executor(), convert));
            },
            token, std::move(args)...);
    }

    template <class Token>
    auto launch_text(std::optional<execute_options> options, Token&& token, std::string name, gid id, std::string input)
    {
        return initiate<std::string, std::string>(
            std::forward<Token>(token),
            [options](engine& e, std::string n, std::string g, std::string i, auto answer) {
                e.start_execute(std::move(n), std::move(g), std::move(i), options, std::move(answer));
            },
            std::move(name), std::move(id).str(), std::move(input));
    }

    std::shared_ptr<detail::engine_impl> core_;
};

}  // namespace v0
}  // namespace weft

#include <weft/handle.hpp>
