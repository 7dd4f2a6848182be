// The stages of one project, each made at most once and kept on disk under <project>/out. Stages that are cheap (list
// of recordings, features, int8 model, plan) are made when something needs them; training happens only when it is asked
// for.
#pragma once
#include <memory>
#include <optional>

#include "plan/plan.h"
#include "project/project.h"

namespace thimble {

class Workspace {
 public:
  Workspace(Project project, Progress& progress) : project_(std::move(project)), progress_(progress) {}

  const Project& project() const { return project_; }
  Progress& progress() { return progress_; }

  // Each result lives as long as the workspace.
  Result<const Dataset*>
  dataset();  // made (speech, sine), imported and split when the list on disk is not of these settings
  Result<const Features*> features();
  Result<const TrainedModel*>
  trained();  // from disk. Errors: not_found when `train` has not run, or ran for other settings
  Result<const QuantizedModel*> quantized();
  Result<const Plan*> plan();  // for the project's board

  // Trains unless out/model.thimble is already of these settings and data. fresh: from scratch, whatever is there;
  // otherwise an interrupted training goes on from its checkpoint.
  Result<const TrainedModel*> train(bool fresh);

 private:
  // A name for the settings a stage depends on, so that stale artefacts are noticed.
  std::string data_key() const;
  std::string training_key(const Features& features) const;
  Result<Dataset> make_dataset();

  Project project_;
  Progress& progress_;
  std::unique_ptr<Dataset> dataset_;
  std::unique_ptr<Features> features_;
  std::unique_ptr<TrainedModel> trained_;
  std::unique_ptr<QuantizedModel> quantized_;
  std::unique_ptr<Plan> plan_;
};

}  // namespace thimble
