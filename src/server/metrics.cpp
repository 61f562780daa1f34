// Prometheus' view of a server.
#include <weft/clock.hpp>
#include <weft/server_metrics.hpp>

#include <algorithm>
#include <array>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace weft {
inline namespace v0 {

namespace {

using labels = prometheus::Labels;
using buckets = prometheus::Histogram::BucketBoundaries;

buckets const seconds_of_requests{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
buckets const seconds_of_transactions{0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1'800, 7'200};
buckets const writes_of_batches{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024, 4'096};

struct named_event
{
    counters::event e;
    char const*     name;
    char const*     help;
};
constexpr named_event events[] = {
    {counters::event::created, "weft_transactions_created_total", "Transactions created here"},
    {counters::event::committed, "weft_transactions_committed_total", "Transactions that succeeded here"},
    {counters::event::rolled_back, "weft_transactions_rolled_back_total", "Transactions that failed here"},
    {counters::event::paused, "weft_transactions_paused_total", "Transactions that began to wait for a person"},
    {counters::event::attempts, "weft_attempts_total", "Attempts begun"},
    {counters::event::claimed, "weft_transactions_claimed_total", "Transactions claimed from the store"},
    {counters::event::taken_over, "weft_transactions_taken_over_total", "Transactions released from dead engines"},
    {counters::event::operations, "weft_operations_total", "Operations sent"},
    {counters::event::retries, "weft_retries_total", "Operations sent again"},
    {counters::event::unknown_outcomes, "weft_unknown_outcomes_total", "Operations that answered ongoing or error"},
    {counters::event::batches, "weft_commits_total", "Database transactions of the committer"},
    {counters::event::writes, "weft_writes_total", "Writes in them"},
    {counters::event::fenced, "weft_fenced_total", "Writes refused because somebody else goes on"},
    {counters::event::store_errors, "weft_store_errors_total", "Times that the store could not be reached"},
    {counters::event::body_exceptions, "weft_body_exceptions_total", "Attempts that ended because the body threw"},
    {counters::event::unanswered, "weft_unanswered_total", "Times that one operation had no answer several times in a row"}};
static_assert(std::size(events) == counters::event_count);

// One of these, or "other".
template <std::size_t N>
std::string one_of(std::array<std::string_view, N> const& known, std::string_view name)
{
    return std::string(std::find(known.begin(), known.end(), name) != known.end() ? name : std::string_view("other"));
}
constexpr std::array<std::string_view, 5> models{"saga", "tcc", "xa", "msg", "workflow"};
constexpr std::array<std::string_view, 8> words{"action", "compensate", "try", "confirm", "cancel", "commit", "rollback", "msg"};

std::string branch_label(std::string const& id)
{
    bool const short_one = id.size() == 2 && id[0] >= '0' && id[0] <= '9' && id[1] >= '0' && id[1] <= '9';
    return short_one ? id : "other";  // nested ones, and those of topics: there is no end to them
}

char const* ok_or_fail(bool well) { return well ? "ok" : "fail"; }

double in_seconds(std::chrono::nanoseconds t) { return std::chrono::duration<double>(std::max(t, std::chrono::nanoseconds(0))).count(); }

}  // namespace

struct server_metrics::impl
{
    template <class T>
    using family = prometheus::Family<T>&;

    prometheus::Registry   registry;
    std::shared_ptr<clock> time = system_clock();

    family<prometheus::Gauge>   info = prometheus::BuildGauge().Name("dtm_server_info").Help("What this server is").Register(registry);
    family<prometheus::Counter> processed =
        prometheus::BuildCounter().Name("dtm_server_process_total").Help("Requests answered").Register(registry);
    family<prometheus::Histogram> durations =
        prometheus::BuildHistogram().Name("dtm_server_response_duration").Help("Seconds from a request to its answer").Register(registry);
    family<prometheus::Counter> transactions =
        prometheus::BuildCounter().Name("dtm_transaction_process_total").Help("Transactions ended").Register(registry);
    family<prometheus::Histogram> handled = prometheus::BuildHistogram()
                                                .Name("dtm_transaction_handled_duration")
                                                .Help("Seconds from a transaction's creation to its end")
                                                .Register(registry);
    family<prometheus::Counter> branches =
        prometheus::BuildCounter().Name("dtm_branch_process_total").Help("Calls of branches").Register(registry);
    family<prometheus::Histogram> calls = prometheus::BuildHistogram()
                                              .Name("weft_branch_duration_seconds")
                                              .Help("Seconds from a call of a branch to its answer")
                                              .Register(registry);
    prometheus::Histogram& batch_sizes = prometheus::BuildHistogram()
                                             .Name("weft_commit_writes")
                                             .Help("Writes in one database transaction")
                                             .Register(registry)
                                             .Add({}, writes_of_batches);
    family<prometheus::Gauge> in_flight = prometheus::BuildGauge().Name("weft_in_flight").Help("Held in memory now").Register(registry);
    prometheus::Gauge&        held = in_flight.Add({{"what", "transactions"}});
    prometheus::Gauge&        sent = in_flight.Add({{"what", "operations"}});

    std::array<prometheus::Counter*, event_count> counted{};
    std::shared_ptr<counters>                     other;  // who counted before

    explicit impl(std::string const& version)
    {
        info.Add({{"gin_version", "none"}, {"grpc_version", "none"}, {"version", version}}).Set(1);
        for (auto const& e : events)
            counted[static_cast<std::size_t>(e.e)] = &prometheus::BuildCounter().Name(e.name).Help(e.help).Register(registry).Add({});
    }

    void ended(transaction const& t)
    {
        auto const model = one_of(models, t.trans_type);
        transactions.Add({{"model", model}, {"status", ok_or_fail(t.status == status::succeed)}}).Increment();
        handled.Add({{"model", model}}, seconds_of_transactions).Observe(in_seconds(time->now() - t.created));
    }

    void called(remote_operation const& o, std::string const& branch_id, bool well, std::chrono::nanoseconds after)
    {
        auto const model = one_of(models, o.trans_type);
        auto const type = branch_id == "00" && model == "workflow" ? "callback" : one_of(words, o.op);
        branches.Add({{"model", model}, {"branchid", branch_label(branch_id)}, {"branchtype", type}, {"status", ok_or_fail(well)}})
            .Increment();
        calls.Add({{"model", model}, {"branchtype", type}}, seconds_of_requests).Observe(in_seconds(after));
    }
};

namespace {

// Measuring must not break what is measured: when memory is short, it is not counted.
template <class F>
void if_possible(F f) noexcept
{
    try
    {
        f();
    }
    catch (...)
    { }
}

using told = std::function<void(remote_operation const&, std::string const& branch_id, bool well, std::chrono::nanoseconds after)>;

// Stands where the answer of a call goes, and passes it on.
class timed_call final : public detail::performance
{
public:
    timed_call(remote_operation const& o, operation_call to, std::shared_ptr<clock> time, told tell)
        : operation_(o)
        , to_(std::move(to))
        , time_(std::move(time))
        , tell_(std::move(tell))
        , began_(time_->since_boot())
    {
        operation_.payload.clear();
        where = to_.where();
    }

    // Passes on that nobody waits any more. That may be said after the answer, which is on its way then: so it is kept as long as it may be.
    // (No circle: whoever has been answered is let go.)
    static void connect(boost::intrusive_ptr<timed_call> const& self)
    {
        if (auto slot = self->to_.get_cancellation_slot(); slot.is_connected())
            slot.assign([self](boost::asio::cancellation_type t) { self->cancel.emit(t); });
    }

    boost::asio::any_io_executor     executor() const override { return to_.get_executor(); }
    std::shared_ptr<weft::transport> transport() const override { return to_.get_transport(); }
    http_headers const*              headers() const noexcept override { return to_.headers(); }

    void answer(outcome o, bool permanent) noexcept override
    {
        bool const well = o.what == outcome::kind::success;
        if_possible([&] { tell_(operation_, where.id, well, time_->since_boot() - began_); });
        if (permanent)
            std::move(to_).answer_permanent_error(std::move(o.text));
        else
            std::move(to_).answer(std::move(o));
    }

private:
    remote_operation         operation_;
    operation_call           to_;
    std::shared_ptr<clock>   time_;
    told                     tell_;
    std::chrono::nanoseconds began_;
};

class watched_caller final : public remote_caller
{
public:
    watched_caller(std::shared_ptr<remote_caller> base, std::shared_ptr<clock> time, told tell)
        : base_(std::move(base))
        , time_(std::move(time))
        , tell_(std::move(tell))
    { }

    void start(remote_operation const& operation, operation_call to) override
    {
        boost::intrusive_ptr<timed_call> const timed(new timed_call(operation, std::move(to), time_, tell_));
        timed_call::connect(timed);
        base_->start(operation, operation_call(boost::intrusive_ptr<detail::performance>(timed)));
    }
    void check(remote_operation const& operation) const override { base_->check(operation); }

private:
    std::shared_ptr<remote_caller> base_;
    std::shared_ptr<clock>         time_;
    told                           tell_;
};

}  // namespace

server_metrics::server_metrics(std::string const& version) : impl_(std::make_unique<impl>(version)) { }
server_metrics::~server_metrics() = default;

void server_metrics::attach(engine_options& options)
{
    impl_->other = std::move(options.counters);
    options.counters = shared_from_this();
    options.on_finished = [self = shared_from_this(), before = std::move(options.on_finished)](transaction const& t) {
        if_possible([&] { self->impl_->ended(t); });
        if (before)
            before(t);
    };
}

std::shared_ptr<remote_caller> server_metrics::watch(std::shared_ptr<remote_caller> caller)
{
    auto tell = [self = shared_from_this()](remote_operation const& o, std::string const& branch_id, bool well,
                                            std::chrono::nanoseconds after) { self->impl_->called(o, branch_id, well, after); };
    return std::make_shared<watched_caller>(std::move(caller), impl_->time, std::move(tell));
}

void server_metrics::count(event e, std::uint64_t how_many) noexcept
{
    impl_->counted[static_cast<std::size_t>(e)]->Increment(static_cast<double>(how_many));
    if (e == event::writes)
        if_possible([&] { impl_->batch_sizes.Observe(static_cast<double>(how_many)); });
    if (impl_->other)
        impl_->other->count(e, how_many);
}

void server_metrics::answered(std::string_view type, std::string_view api, unsigned status, std::chrono::nanoseconds after) noexcept
{
    if_possible([&] {
        std::string const t(type), a(api);
        impl_->processed.Add({{"type", t}, {"api", a}, {"status", ok_or_fail(status < 400)}}).Increment();
        impl_->durations.Add({{"type", t}, {"api", a}}, seconds_of_requests).Observe(in_seconds(after));
    });
}

void server_metrics::counted(std::int64_t unfinished, std::int64_t paused, std::chrono::seconds oldest)
{
    // A family of a name that is there already is that family.
    auto const set = [&](char const* name, char const* help, auto value) {
        prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry).Add({}).Set(static_cast<double>(value));
    };
    set("weft_unfinished_transactions", "Transactions in the store that have not ended", unfinished);
    set("weft_paused_transactions", "Of these, those that wait for a person", paused);
    set("weft_oldest_unfinished_seconds", "For how long the oldest of these has been there", oldest.count());
}

std::string server_metrics::text(std::size_t transactions, std::size_t operations) const
{
    impl_->held.Set(static_cast<double>(transactions));
    impl_->sent.Set(static_cast<double>(operations));
    return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace v0
}  // namespace weft
