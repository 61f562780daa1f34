#include <weft/testing/virtual_clock.hpp>

#include <boost/asio/post.hpp>

#include <map>
#include <mutex>

namespace weft {
inline namespace v0 {
namespace testing {

namespace {

constexpr std::chrono::sys_days begins{std::chrono::year{2026} / 1 / 1};

}  // namespace

struct virtual_clock::state
{
    struct waiting
    {
        boost::asio::any_io_executor executor;
        std::function<void()>        wake;
    };

    std::mutex                                                            mutex;
    std::chrono::nanoseconds                                              now{std::chrono::hours(1)};
    std::uint64_t                                                         next_number = 1;
    std::map<std::pair<std::chrono::nanoseconds, std::uint64_t>, waiting> alarms;

    class virtual_alarm;
};

class virtual_clock::state::virtual_alarm final : public alarm
{
public:
    virtual_alarm(std::shared_ptr<state> s, boost::asio::any_io_executor e) : state_(std::move(s)), executor_(std::move(e)) { }
    ~virtual_alarm() override { cancel(); }

    void set(std::chrono::nanoseconds after, std::function<void()> wake) override
    {
        std::lock_guard lock(state_->mutex);
        forget();
        key_ = {state_->now + after, state_->next_number++};
        auto const generation = ++*generation_;
        // A wake-up that is posted already and then forgotten must not arrive.
        state_->alarms.emplace(*key_, waiting{executor_, [g = generation_, generation, wake = std::move(wake)] {
                                                  if (*g == generation)
                                                      wake();
                                              }});
    }

    void cancel() override
    {
        std::lock_guard lock(state_->mutex);
        forget();
        ++*generation_;
    }

private:
    void forget()
    {
        if (key_)
            state_->alarms.erase(*key_);
        key_.reset();
    }

    std::shared_ptr<state>                                            state_;
    boost::asio::any_io_executor                                      executor_;
    std::optional<std::pair<std::chrono::nanoseconds, std::uint64_t>> key_;
    std::shared_ptr<std::uint64_t>                                    generation_ = std::make_shared<std::uint64_t>(0);
};

virtual_clock::virtual_clock() : state_(std::make_shared<state>()) { }
virtual_clock::~virtual_clock() = default;

std::chrono::system_clock::time_point virtual_clock::now() const
{
    return begins + std::chrono::duration_cast<std::chrono::system_clock::duration>(since_boot());
}

std::chrono::nanoseconds virtual_clock::since_boot() const
{
    std::lock_guard lock(state_->mutex);
    return state_->now;
}

std::unique_ptr<alarm> virtual_clock::make_alarm(boost::asio::any_io_executor executor)
{
    return std::make_unique<state::virtual_alarm>(state_, std::move(executor));
}

std::optional<std::chrono::nanoseconds> virtual_clock::next() const
{
    std::lock_guard lock(state_->mutex);
    if (state_->alarms.empty())
        return std::nullopt;
    return std::max(state_->alarms.begin()->first.first - state_->now, std::chrono::nanoseconds(0));
}

void virtual_clock::advance(std::chrono::nanoseconds by)
{
    std::lock_guard lock(state_->mutex);
    state_->now += by;
    while (!state_->alarms.empty() && state_->alarms.begin()->first.first <= state_->now)
    {
        auto due = state_->alarms.extract(state_->alarms.begin());
        boost::asio::post(due.mapped().executor, std::move(due.mapped().wake));
    }
}

}  // namespace testing
}  // namespace v0
}  // namespace weft
