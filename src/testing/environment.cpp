#include "src/testing/faulty_store.hpp"

#include <weft/detail/option.hpp>
#include <weft/testing/environment.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <limits>
#include <list>
#include <stdexcept>

namespace weft {
inline namespace v0 {
namespace testing {

script& script::add(behaviour b)
{
    behaviours_.push_back(std::move(b));
    return *this;
}

script& script::times(unsigned n)
{
    auto const last = behaviours_.back();
    for (unsigned i = 1; i < n; ++i)
        behaviours_.push_back(last);
    return *this;
}

script::behaviour const* script::next()
{
    if (behaviours_.empty())
        return nullptr;
    auto const* b = &behaviours_[std::min(used_, behaviours_.size() - 1)];
    ++used_;
    return b;
}

namespace {

// An answer on its way to nobody in particular: for sends that the network doubled or lost.
class answer_sink final : public detail::performance
{
public:
    // `original` is one of the calls that this one stands for.
    answer_sink(operation_call const& original, boost::asio::any_io_executor e, std::function<void(outcome, bool)> t)
        : executor_(std::move(e))
        , transport_(original.get_transport())
        , headers_(original.headers() ? *original.headers() : http_headers())
        , then_(std::move(t))
    {
        where = original.where();
    }
    boost::asio::any_io_executor     executor() const override { return executor_; }
    std::shared_ptr<weft::transport> transport() const override { return transport_; }
    http_headers const*              headers() const noexcept override { return &headers_; }
    void                             answer(outcome o, bool permanent) noexcept override
    {
        if (then_)
            then_(std::move(o), permanent);
    }

private:
    boost::asio::any_io_executor       executor_;
    std::shared_ptr<weft::transport>   transport_;
    http_headers                       headers_;
    std::function<void(outcome, bool)> then_;
};

operation_call call_for(operation_call const& original, boost::asio::any_io_executor const& executor,
                        std::function<void(outcome, bool)> then)
{
    return operation_call(boost::intrusive_ptr<detail::performance>(new answer_sink(original, executor, std::move(then))));
}

}  // namespace

// A call that the script keeps: for ever, or until its time has come.
struct environment::held_call
{
    std::optional<operation_call> call;
    std::unique_ptr<alarm>        wake;
    outcome                       answer;
    bool                          permanent = false;
    bool                          has_answer = false;
    bool                          is_due = false;
};

class environment::scripted final : public detail::participants
{
public:
    scripted(environment& e, boost::asio::any_io_executor executor) : environment_(e), executor_(std::move(executor)) { }

    bool wants(branch const& where) override
    {
        environment_.calls_.push_back(where.name + '/' + std::string(to_string(where.op)));
        for (auto& [key, s] : environment_.scripts_)
            if (key.first == where.name && (key.second == to_string(where.op) ||
                                            (key.second.empty() && (where.op == operation::action || where.op == operation::try_))))
            {
                next_ = s->next();
                return next_ && next_->what != script::kind::run;
            }
        return false;
    }

    void perform(operation_call call, std::function<void(operation_call)> run) override
    {
        auto const b = *next_;
        switch (b.what)
        {
        case script::kind::succeed:
            return std::move(call).answer(outcome::success(b.text));
        case script::kind::fail:
            return std::move(call).answer(outcome::failure(b.text, b.details));
        case script::kind::ongoing:
            return std::move(call).answer(outcome::ongoing("ongoing"));
        case script::kind::error:
            return std::move(call).answer(outcome::error(b.text));
        case script::kind::lost:
        {
            auto shared = std::make_shared<operation_call>(std::move(call));
            return run(call_for(*shared, executor_,
                                [shared](outcome, bool) mutable { std::move(*shared).answer(outcome::error("the answer was lost")); }));
        }
        case script::kind::never:
        {
            auto& h = hold();
            auto  slot = call.get_cancellation_slot();
            h.call.emplace(std::move(call));
            slot.assign([&h](boost::asio::cancellation_type) {
                if (auto c = std::exchange(h.call, std::nullopt))
                    std::move(*c).answer(outcome::error("the waiting was stopped"));
            });
            return;
        }
        case script::kind::hang:
            hold().call.emplace(std::move(call));
            return;
        case script::kind::twice:
        {
            auto shared = std::make_shared<operation_call>(std::move(call));
            run(call_for(*shared, executor_, nullptr));
            return run(call_for(*shared, executor_, [shared](outcome o, bool permanent) mutable {
                detail::answer_call(std::move(*shared), std::move(o), permanent);
            }));
        }
        case script::kind::late:
        {
            auto& h = hold();
            h.call.emplace(std::move(call));
            h.wake = environment_.clock_->make_alarm(executor_);
            h.wake->set(b.delay, [&h] {
                h.is_due = true;
                answer_if_both(h);
            });
            return run(call_for(*h.call, executor_, [&h](outcome o, bool permanent) {
                h.answer = std::move(o);
                h.permanent = permanent;
                h.has_answer = true;
                answer_if_both(h);
            }));
        }
        case script::kind::run:
            break;
        }
    }

    std::size_t held() const noexcept
    {
        return static_cast<std::size_t>(std::count_if(held_.begin(), held_.end(), [](auto const& h) { return h.call.has_value(); }));
    }
    void drop() { held_.clear(); }

private:
    static void answer_if_both(held_call& h)
    {
        if (!h.is_due || !h.has_answer || !h.call)
            return;
        operation_call call(std::move(*h.call));
        h.call.reset();
        detail::answer_call(std::move(call), std::move(h.answer), h.permanent);
    }
    held_call& hold() { return held_.emplace_back(); }

    environment&                 environment_;
    boost::asio::any_io_executor executor_;
    std::list<held_call>         held_;
    script::behaviour const*     next_ = nullptr;
};

struct environment::process
{
    process(environment& e, std::uint64_t seed, std::shared_ptr<fault_plan> plan)
        : store(*e.base_, std::move(plan))
        , participants(std::make_shared<scripted>(e, io.get_executor()))
    {
        auto options = e.options_.engine;
        options.clock = e.clock_;
        options.store_executor = io.get_executor();
        options.participants = participants;
        options.seed = seed;
        engine.emplace(io, store, std::move(options));
        for (auto const& add : e.registrations_)
            add(*engine);
        engine->run([](std::exception_ptr) {});
    }
    ~process()
    {
        engine.reset();
        participants->drop();
        // What is queued is destroyed with the context, as in a process that dies.
    }

    boost::asio::io_context     io{1};
    faulty_store                store;
    std::shared_ptr<scripted>   participants;
    std::optional<weft::engine> engine;
};

environment::environment(environment_options options)
    : options_(std::move(options))
    , clock_(std::make_shared<testing::virtual_clock>())
    , plan_(std::make_shared<fault_plan>())
{
    detail::check_option("environment_options::patience", options_.patience, 1);
    base_ = options_.open_store ? options_.open_store(clock_) : make_memory_store(clock_);
    plan_->freeze = [this] { frozen(); };
    plan_->clock = clock_;
    plan_->dice = options_.seed;
    for (unsigned i = 1; i <= options_.peers; ++i)
    {
        auto& plan = *peers_plans_.emplace_back(std::make_shared<fault_plan>());
        plan.clock = clock_;
        plan.dice = options_.seed + i;
    }
}

environment::~environment() = default;

void environment::start_process()
{
    process_ = std::make_unique<process>(*this, next_seed_++, plan_);
    while (peers_.size() < options_.peers)
    {
        peers_.emplace_back();
        start_peer(static_cast<unsigned>(peers_.size()));
    }
    for (std::size_t i = 0; i < submissions_.size(); ++i)
        if (!submissions_[i].durable)
            start_submission(i);
}

void environment::start_peer(unsigned number)
{
    auto& p = peers_.at(number - 1);
    p.reset();
    p = std::make_unique<process>(*this, 1'000'000 + next_seed_++, peers_plans_.at(number - 1));
}

weft::engine& environment::peer(unsigned number)
{
    engine();
    return *peers_.at(number - 1)->engine;
}

void environment::crash_peer(unsigned number)
{
    engine();
    start_peer(number);
}

void environment::stop_peer(unsigned number, std::chrono::milliseconds deadline)
{
    auto const stopped = std::make_shared<bool>(false);
    peer(number).stop(deadline, [stopped](std::exception_ptr) { *stopped = true; });
    run_until([&] { return *stopped; });
    start_peer(number);
}

void environment::break_store(std::chrono::milliseconds for_so_long, outage how, std::optional<unsigned> only_for)
{
    auto const break_for = [&](fault_plan& plan) {
        plan.down_until = clock_->since_boot() + for_so_long;
        plan.how = how;
    };
    if (!only_for || *only_for == 0)
        break_for(*plan_);
    for (unsigned i = 1; i <= options_.peers; ++i)
        if (!only_for || *only_for == i)
            break_for(*peers_plans_[i - 1]);
}

weft::engine& environment::engine()
{
    if (!process_)
        start_process();
    return *process_->engine;
}

weft::store& environment::store() { return *base_; }

boost::asio::any_io_executor environment::get_executor()
{
    engine();
    return process_->io.get_executor();
}

script& environment::on(std::string branch_name)
{
    return *scripts_.emplace_back(std::pair(std::move(branch_name), std::string()), std::make_unique<script>()).second;
}

script& environment::on(std::string branch_name, operation op)
{
    return *scripts_.emplace_back(std::pair(std::move(branch_name), std::string(to_string(op))), std::make_unique<script>()).second;
}

void environment::crash() { process_.reset(); }

void environment::plant_crash(std::uint64_t at_write, crash_mode mode) { plan_->points.push_back({plan_->writes + at_write, mode}); }

std::size_t environment::crashes() const noexcept { return plan_->crashes; }

std::uint64_t environment::writes() const noexcept { return plan_->writes; }

// One thing that can happen now. False: nothing can before time moves.
bool environment::step()
{
    if (peers_.empty())
        return step(*process_);
    // Who goes first differs from step to step: a number from a multiplicative generator, good enough for that.
    next_turn_ = (next_turn_ + options_.seed) * 6364136223846793005u + 1442695040888963407u;
    auto const first = static_cast<std::size_t>(next_turn_ >> 33);
    for (std::size_t i = 0; i <= peers_.size(); ++i)
    {
        auto const which = (first + i) % (peers_.size() + 1);
        if (step(which == peers_.size() ? *process_ : *peers_[which]))
            return true;
    }
    return false;
}

bool environment::step(process& p)
{
    auto const happened = [&] {
        if (p.store.dead())
            crash();
        return true;
    };
    p.io.restart();
    if (p.io.poll_one() > 0)
        return happened();
    // Operations on threads of their own take real time; the scripted ones that are kept do not.
    if (p.engine->in_flight().operations > p.participants->held())
    {
        p.io.restart();
        if (p.io.run_one_for(std::chrono::milliseconds(50)) > 0)
            return happened();
    }
    return false;
}

void environment::run_until(std::function<bool()> done)
{
    constexpr std::uint64_t circles = 20'000'000;
    auto const              latest = clock_->since_boot() + detail::bounded(options_.patience);
    std::uint64_t           steps = 0;
    while (!done())
    {
        engine();
        if (step())
        {
            if (++steps == circles)
                throw std::runtime_error("weft::testing: something goes round in circles");
            continue;
        }
        steps = 0;
        auto const next = clock_->next();
        if (!next || clock_->since_boot() + *next > latest)
            throw std::runtime_error("weft::testing: nothing that is waited for can happen any more");
        clock_->advance(*next);
    }
}

void environment::settle()
{
    engine();
    while (process_ && step())
    { }
}

void environment::advance(std::chrono::milliseconds by)
{
    auto const until = clock_->since_boot() + detail::bounded(by);
    for (;;)
    {
        engine();
        if (step())
            continue;
        auto const next = clock_->next();
        if (!next || clock_->since_boot() + *next > until)
            break;
        clock_->advance(*next);
    }
    // A process that stood still meanwhile may have taken longer than that.
    clock_->advance(std::max(until - clock_->since_boot(), std::chrono::nanoseconds(0)));
    settle();
}

// A process stands still in the middle of a write: another one waits until it counts as dead, takes over, and finishes everything
// that can be finished without the one who called. Then it goes on, and its caller too.
void environment::frozen()
{
    constexpr std::chrono::minutes enough{1};
    auto                           standing_still = std::move(process_);
    auto const                     dead_at = clock_->since_boot() + options_.engine.expiry + 2 * options_.engine.beat;
    run_until([&] {
        auto const now = clock_->since_boot();
        return now >= dead_at && (all_ended() || now >= dead_at + enough);
    });
    process_.reset();
    process_ = std::move(standing_still);
}

void environment::start_submission(std::size_t index)
{
    auto const& s = submissions_[index];
    auto const  answer = [this, index](std::exception_ptr error, std::string const&) {
        auto& submitted = submissions_[index];
        if (!error)
        {
            submitted.durable = true;
            return;
        }
        try
        {
            std::rethrow_exception(error);
        }
        catch (store_error const&)
        {
            start_submission(index);  // as callers do
        }
        catch (unfinished const&)
        {
            // The engine stopped: the next process gets it.
        }
        catch (...)
        {
            submitted.refused = std::current_exception();
        }
    };
    process_->engine->submit_text(s.name, s.id, s.input, answer);
}

void environment::throw_refused()
{
    for (auto& s : submissions_)
        if (auto const refused = std::exchange(s.refused, nullptr))
        {
            s.durable = true;  // said once
            std::rethrow_exception(refused);
        }
}

void environment::submit_text(std::string name, gid id, std::string input)
{
    submissions_.push_back({std::move(name), std::move(id), std::move(input), false, nullptr});
    if (process_)
        start_submission(submissions_.size() - 1);
    else
        engine();
}

bool environment::all_ended()
{
    if (std::any_of(submissions_.begin(), submissions_.end(), [](auto const& s) { return !s.durable; }))
        return false;
    auto const version = base_->version();
    if (unended_at_ == version)
        return false;
    auto const rows = base_->list({.unfinished = true, .limit = std::numeric_limits<std::int32_t>::max()});
    bool const ended = std::all_of(rows.begin(), rows.end(), [](auto const& row) { return !row.paused_reason.empty(); });
    unended_at_ = ended ? std::nullopt : std::optional(version);
    return ended;
}

void environment::finish()
{
    engine();
    run_until([this] {
        throw_refused();
        return all_ended();
    });
    if (process_)
        settle();
}

environment::ended environment::execute_text(std::string name, gid id, std::string input)
{
    // A caller asks again with the same gid when the process that it asked has died.
    for (;;)
    {
        struct answer
        {
            bool               there = false;
            std::exception_ptr error;
            std::string        text;
        };
        auto const a = std::make_shared<answer>();
        engine();
        auto const* asked = process_.get();
        process_->engine->execute_text(name, id, input, [a](std::exception_ptr error, std::string text) {
            a->there = true;
            a->error = error;
            a->text = std::move(text);
        });
        run_until([&] { return a->there || process_.get() != asked; });
        if (!a->there)
            continue;
        ended how{false, a->text, id.str(), {}};
        if (a->error)
            try
            {
                std::rethrow_exception(a->error);
            }
            catch (failure const& says_no)
            {
                how.failed = true;
                how.text = says_no.reason();
                how.details = says_no.details();
            }
        // I8: whoever is answered could look it up.
        auto const row = base_->find(id.str(), false);
        if (!row || row->status != (how.failed ? status::failed : status::succeed) ||
            (how.failed ? row->reason : row->result) != how.text || (how.failed && row->result != how.details))
            throw std::logic_error("weft::testing: \"" + id.str() + "\" was answered, but its final row is not durable");
        return how;
    }
}

template <class T>
T environment::wait_for(std::function<void(weft::engine&, std::function<void(std::exception_ptr, T)>)> start)
{
    for (;;)
    {
        struct answer
        {
            bool               there = false;
            std::exception_ptr error;
            T                  value{};
        };
        auto const a = std::make_shared<answer>();
        start(engine(), [a](std::exception_ptr error, T value) {
            a->there = true;
            a->error = error;
            a->value = std::move(value);
        });
        auto const* asked = process_.get();
        run_until([&] { return a->there || process_.get() != asked; });
        if (!a->there)
            continue;
        if (a->error)
            std::rethrow_exception(a->error);
        return std::move(a->value);
    }
}

cancel_answer environment::cancel(gid id)
{
    return wait_for<cancel_answer>([&](weft::engine& e, auto done) { e.cancel(id, done); });
}

void environment::resume(gid id)
{
    wait_for<int>([&](weft::engine& e, auto done) { e.resume(id, [done](std::exception_ptr error) { done(error, 0); }); });
}

std::optional<transaction> environment::query(gid id) { return base_->find(id.str(), true); }

std::vector<transaction> environment::list(list_filter filter) { return base_->list(filter); }

void environment::stop(std::chrono::milliseconds deadline)
{
    wait_for<int>([&](weft::engine& e, auto done) { e.stop(deadline, [done](std::exception_ptr error) { done(error, 0); }); });
}

}  // namespace testing
}  // namespace v0
}  // namespace weft
