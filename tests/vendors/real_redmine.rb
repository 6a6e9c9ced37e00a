# frozen_string_literal: true

# Makes a Redmine and lets things happen in it. A command is a line of JSON on stdin, `{"do": ..., "at": ...}`
# with what it needs; Redmine's own models do it at that instant; its result is a line of JSON on stdout.
require "json"

# What the time is, for this process: Redmine dates what it saves itself.
module Instant
  class << self
    attr_accessor :now
  end

  def now(...)
    Instant.now&.dup || super
  end
end
Time.singleton_class.prepend(Instant)

# Each method is a command, its keywords what the command needs.
module Commands
  module_function

  def prepare(users:, statuses:, closed:, priorities:, projects:, public:, key:)
    # Nothing here has to outlive the machine.
    ActiveRecord::Base.connection.execute("pragma synchronous = off")
    ActiveRecord::Tasks::DatabaseTasks.migrate
    ActiveRecord::Base.descendants.each(&:reset_column_information)
    { rest_api_enabled: "1", notified_events: [] }.each { |name, value| Setting[name] = value }
    statuses.each { |id, name| IssueStatus.create!(id: id, name: name, is_closed: closed.include?(id)) }
    priorities.each { |id, name| IssuePriority.create!(id: id, name: name) }
    tracker = Tracker.create!(id: 3, name: "Support", default_status: IssueStatus.first)
    list = { field_format: "list", is_for_all: true, trackers: [tracker] }
    IssueCustomField.create!(id: 12, name: "F12", possible_values: %w[DNS Mail], **list)
    IssueCustomField.create!(id: 13, name: "F13", possible_values: %w[a b c], multiple: true, **list)
    # The rights that the documentation asks for, and no more.
    Role.create!(name: "Reader", permissions: %i[view_issues view_private_notes], issues_visibility: "all")
    worker = Role.create!(name: "Worker", permissions: %i[view_issues add_issues edit_issues add_issue_notes])
    IssueCustomField.create!(id: 14, name: "F14", possible_values: %w[x y], visible: false, roles: [worker], **list)
    Role.anonymous.update!(permissions: %i[view_issues])
    users.each do |id, login|
      User.create!(id: id, login: login, firstname: login, lastname: "…", mail: "#{login}@example.test",
                   password: SecureRandom.hex, mail_notification: "none")
    end
    projects.each { |id, name| project(id: id, name: name, public: public.include?(name.downcase)) }
    token(login: "avoir", key: key)
  end

  def project(name:, public:, id: nil, parent: nil)
    made = Project.create!(id: id, name: name, identifier: name.downcase, is_public: public,
                           trackers: Tracker.all, enabled_module_names: ["issue_tracking"])
    made.set_parent!(Project.find(parent)) if parent
    User.where(admin: false).where(type: "User").find_each do |user|
      role = user.login == "avoir" ? "Reader" : "Worker"
      Member.create!(project: made, principal: user, roles: [Role.find_by!(name: role)])
    end
  end

  # A key that is known before; Redmine would make up another.
  def token(login:, key:)
    user = User.find_by!(login: login)
    Token.where(user: user, action: "api").delete_all
    Token.create!(user: user, action: "api").update_column(:value, key)
  end

  def open(project:, author:, status:, custom: {}, **fields)
    issue = Issue.new(project: Project.find(project), tracker: Tracker.first, author: User.find(author),
                      subject: "It does not work", description: "…", priority_id: 2, status_id: status, **fields)
    issue.custom_field_values = custom.transform_keys(&:to_s)
    issue.save!
    issue.id
  end

  def change(issue:, author:, notes: "", private: false, custom: {}, **fields)
    issue = Issue.find(issue)
    journal = issue.init_journal(User.find(author), notes)
    journal.private_notes = private
    issue.attributes = fields
    issue.custom_field_values = custom.transform_keys(&:to_s)
    issue.save!
    journal.id
  end

  def ruby(code:)
    eval(code) # rubocop:disable Security/Eval
  end
end

answers = $stdout.dup
answers.sync = true
$stdout = $stderr
$stdin.each_line do |line|
  command = JSON.parse(line, symbolize_names: true)
  name, at = command.delete(:do), command.delete(:at)
  Instant.now = at && Time.iso8601(at)
  begin
    result = Commands.public_send(name, **command)
    answers.puts(JSON.generate(result: result.is_a?(ActiveRecord::Base) ? result.id : result))
  rescue StandardError => e
    answers.puts(JSON.generate(error: "#{e.class}: #{e.message}\n#{e.backtrace.first(8).join("\n")}"))
  end
end
