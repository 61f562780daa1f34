// The façade: from any thread onto the engine's strand.
#include "workflow/engine/engine_impl.hpp"
#include "workflow/runtime/options.hpp"

namespace weft {
inline namespace v0 {

engine::engine(boost::asio::any_io_executor executor, weft::store& store, engine_options options)
    : core_(std::make_shared<detail::engine_impl>(std::move(executor), store, std::move(options)))
{
    core_->open_gate();
}

engine::~engine()
{
    core_->abandon();
    core_->join_threads();
    // What is left goes on the strand, where its handlers run, or with them if nothing runs them any more.
    auto const strand = core_->strand();
    boost::asio::post(strand, [core = std::move(core_)] {});
}

void engine::add_program(std::string name, std::unique_ptr<detail::program> program)
{
    core_->add_program(std::move(name), std::move(program));
}

void engine::add(xa_participant& resource) { core_->add_resource(resource); }

void engine::declare_name(std::string name) { core_->declare(std::move(name)); }

void engine::limit(std::string branch_name, operation_limit limit)
{
    detail::check(limit, "operation_limit of \"" + branch_name + '"');
    boost::asio::dispatch(core_->strand(),
                          [core = core_, name = std::move(branch_name), limit]() mutable { core->limits().limit(std::move(name), limit); });
}

void engine::start_execute(std::string name, std::string gid, std::string input, std::optional<execute_options> options,
                           done<std::string> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, name = std::move(name), gid = std::move(gid), input = std::move(input), options,
                                            answer = std::move(answer)]() mutable {
        core->submitted().execute(std::move(name), std::move(gid), std::move(input), options.value_or(execute_options()),
                                  options.has_value(), std::move(answer));
    });
}

bool engine::create_within(std::any const& connection, std::string name, std::string gid, std::string input)
{
    return core_->submitted().create_within(connection, std::move(name), std::move(gid), std::move(input));
}

void engine::start_query(std::string gid, done<std::optional<transaction>> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, gid = std::move(gid), answer = std::move(answer)]() mutable {
        core->asked().query(std::move(gid), std::move(answer));
    });
}

void engine::start_list(list_filter filter, done<std::vector<transaction>> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, filter = std::move(filter), answer = std::move(answer)]() mutable {
        core->asked().list(std::move(filter), std::move(answer));
    });
}

void engine::start_purge(std::chrono::milliseconds older_than, std::size_t limit, done<std::size_t> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, older_than, limit, answer = std::move(answer)]() mutable {
        core->asked().purge(older_than, limit, std::move(answer));
    });
}

void engine::start_alive(done<bool> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, answer = std::move(answer)] { answer->complete(nullptr, core->may_act()); });
}

void engine::start_cancel(std::string gid, done<cancel_answer> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, gid = std::move(gid), answer = std::move(answer)]() mutable {
        core->asked().cancel(std::move(gid), std::move(answer));
    });
}

void engine::start_resume(std::string gid, done<std::monostate> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, gid = std::move(gid), answer = std::move(answer)]() mutable {
        core->asked().resume(std::move(gid), std::move(answer));
    });
}

void engine::start_resume_all(list_filter filter, done<std::size_t> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, filter = std::move(filter), answer = std::move(answer)]() mutable {
        core->asked().resume_all(std::move(filter), std::move(answer));
    });
}

void engine::start_run(done<std::monostate> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, answer = std::move(answer)]() mutable { core->end().run(std::move(answer)); });
}

void engine::start_stop(std::chrono::milliseconds deadline, done<std::monostate> answer)
{
    boost::asio::dispatch(core_->strand(), [core = core_, deadline, answer = std::move(answer)]() mutable {
        core->end().begin(deadline, std::move(answer));
    });
}

boost::asio::any_io_executor engine::outer_executor() const { return core_->outer(); }

boost::asio::any_io_executor engine::strand() const { return core_->strand(); }

engine::load engine::in_flight() const noexcept { return {core_->transactions_in_memory(), core_->operations_in_flight()}; }

}  // namespace v0
}  // namespace weft
